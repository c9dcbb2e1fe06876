// host.crypto, by libcrypto's EVP
#include "crypto.h"

#include <lauxlib.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { MAX_RANDOM = 1024, POOL = 4096 };

static const char KEY[] = "host.crypto.key";

// Random bytes come from the kernel by the page: one call serves many ids.
static void fill_random(unsigned char *out, size_t len) {
    static _Thread_local unsigned char pool[POOL];
    static _Thread_local size_t left;
    while (len > 0) {
        if (left == 0) {
            for (size_t got = 0; got < POOL;) {
                ssize_t count = getrandom(pool + got, POOL - got, 0);
                got += count > 0 ? (size_t)count : 0;
            }
            left = POOL;
        }
        size_t take = len < left ? len : left;
        memcpy(out, pool + POOL - left, take);
        OPENSSL_cleanse(pool + POOL - left, take);
        left -= take;
        out += take;
        len -= take;
    }
}

static void push_uuid(lua_State *L, unsigned char bytes[16], int version) {
    static const char HEX[] = "0123456789abcdef";
    char text[36], *out = text;
    bytes[6] = (unsigned char)((bytes[6] & 0x0F) | (version << 4));
    bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = HEX[bytes[i] >> 4];
        *out++ = HEX[bytes[i] & 15];
    }
    lua_pushlstring(L, text, sizeof text);
}

static int uuid(lua_State *L) {
    unsigned char bytes[16];
    fill_random(bytes, sizeof bytes);
    push_uuid(L, bytes, 4);
    return 1;
}

static int uuid_of(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text, len, digest);
    push_uuid(L, digest, 8);
    return 1;
}

static int random_bytes(lua_State *L) {
    lua_Integer count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count >= 1 && count <= MAX_RANDOM, 1, "1 to 1024 bytes");
    unsigned char bytes[MAX_RANDOM];
    fill_random(bytes, (size_t)count);
    lua_pushlstring(L, (const char *)bytes, (size_t)count);
    OPENSSL_cleanse(bytes, (size_t)count);
    return 1;
}

static int sha256(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text, len, digest);
    lua_pushlstring(L, (const char *)digest, sizeof digest);
    return 1;
}

static int hmac_sha256(lua_State *L) {
    size_t key_len, len;
    const char *key = luaL_checklstring(L, 1, &key_len), *text = luaL_checklstring(L, 2, &len);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, len, digest, &size))
        return luaL_error(L, "HMAC failed");
    lua_pushlstring(L, (const char *)digest, size);
    return 1;
}

static int equal(lua_State *L) {
    size_t a_len, b_len;
    const char *a = luaL_checklstring(L, 1, &a_len), *b = luaL_checklstring(L, 2, &b_len);
    lua_pushboolean(L, a_len == b_len && CRYPTO_memcmp(a, b, a_len) == 0);
    return 1;
}

static int hex(lua_State *L) {
    static const char HEX[] = "0123456789abcdef";
    size_t len;
    const unsigned char *bytes = (const unsigned char *)luaL_checklstring(L, 1, &len);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < len; i++) {
        luaL_addchar(&out, HEX[bytes[i] >> 4]);
        luaL_addchar(&out, HEX[bytes[i] & 15]);
    }
    luaL_pushresult(&out);
    return 1;
}

// Base 64 of RFC 4648, with either alphabet.

static const char STANDARD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char URL_SAFE[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int encode(lua_State *L, const char *alphabet, bool padded) {
    size_t len;
    const unsigned char *bytes = (const unsigned char *)luaL_checklstring(L, 1, &len);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= left > 2 ? bytes[i + 2] : 0;
        luaL_addchar(&out, alphabet[group >> 18]);
        luaL_addchar(&out, alphabet[(group >> 12) & 63]);
        if (left > 1)
            luaL_addchar(&out, alphabet[(group >> 6) & 63]);
        if (left > 2)
            luaL_addchar(&out, alphabet[group & 63]);
        for (size_t pad = left; padded && pad < 3; pad++)
            luaL_addchar(&out, '=');
    }
    luaL_pushresult(&out);
    return 1;
}

// Canonical input only: no white space, no bits left over, padding exactly where it belongs.
static int decode(lua_State *L, const char *alphabet, bool padded) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    if (padded) {
        if (len % 4 != 0)
            return 0;
        for (int i = 0; i < 2 && len > 0 && text[len - 1] == '='; i++)
            len--;
    }
    if (len % 4 == 1)
        return 0;
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    uint32_t group = 0;
    int bits = 0;
    for (size_t i = 0; i < len; i++) {
        const char *found = text[i] ? strchr(alphabet, text[i]) : NULL;
        if (!found)
            return 0;
        group = (group << 6) | (uint32_t)(found - alphabet);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            luaL_addchar(&out, (char)((group >> bits) & 0xFF));
        }
    }
    if (group & ((1u << bits) - 1))
        return 0;
    luaL_pushresult(&out);
    return 1;
}

static int base64url_encode(lua_State *L) {
    return encode(L, URL_SAFE, false);
}

static int base64_encode(lua_State *L) {
    return encode(L, STANDARD, true);
}

static int base64url_decode(lua_State *L) {
    if (decode(L, URL_SAFE, false) == 0)
        lua_pushnil(L);
    return 1;
}

static int base64_decode(lua_State *L) {
    if (decode(L, STANDARD, true) == 0)
        lua_pushnil(L);
    return 1;
}

// Public keys, made of a JWK's members (RFC 7517, RFC 7518 section 6, RFC 8037).

struct bytes {
    unsigned char data[1024];
    size_t len;
};

// The base64url member of the JWK at stack index 1.
static bool read_member(lua_State *L, const char *name, struct bytes *out) {
    lua_pushcfunction(L, base64url_decode);
    lua_getfield(L, 1, name);
    if (lua_type(L, -1) != LUA_TSTRING) {
        lua_pop(L, 2);
        return false;
    }
    lua_call(L, 1, 1);
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    bool good = text && len > 0 && len <= sizeof out->data;
    if (good) {
        memcpy(out->data, text, len);
        out->len = len;
    }
    lua_pop(L, 1);
    return good;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *builder) {
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params && context && EVP_PKEY_fromdata_init(context) == 1)
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

static EVP_PKEY *rsa_key(const struct bytes *n, const struct bytes *e) {
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *modulus = BN_bin2bn(n->data, (int)n->len, NULL);
    BIGNUM *exponent = BN_bin2bn(e->data, (int)e->len, NULL);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent);
    EVP_PKEY *key = from_params("RSA", builder);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

static EVP_PKEY *ec_key(const struct bytes *x, const struct bytes *y) {
    unsigned char point[65] = {4};
    if (x->len != 32 || y->len != 32)
        return NULL;
    memcpy(point + 1, x->data, 32);
    memcpy(point + 33, y->data, 32);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point);
    return from_params("EC", builder);
}

static bool is_member(lua_State *L, const char *name, const char *expected) {
    lua_getfield(L, 1, name);
    const char *value = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    bool same = value && strcmp(value, expected) == 0;
    lua_pop(L, 1);
    return same;
}

static const char *make_key(lua_State *L, EVP_PKEY **key) {
    struct bytes a, b;
    if (is_member(L, "kty", "RSA")) {
        if (!read_member(L, "n", &a) || !read_member(L, "e", &b))
            return "an RSA key needs n and e";
        // With an exponent of 1 a signature is the text itself; large ones cost time.
        uint64_t exponent = 0;
        for (size_t i = 0; i < b.len && b.len <= sizeof exponent; i++)
            exponent = exponent << 8 | b.data[i];
        if (exponent < 3 || exponent % 2 == 0)
            return "an RSA key needs an odd e of 3 or more and at most 64 bits";
        *key = rsa_key(&a, &b);
        int bits = *key ? EVP_PKEY_get_bits(*key) : 0;
        return bits >= 2048 && bits <= 8192 ? NULL : "an RSA key needs 2048 to 8192 bits";
    }
    if (is_member(L, "kty", "EC") && is_member(L, "crv", "P-256")) {
        if (!read_member(L, "x", &a) || !read_member(L, "y", &b))
            return "a P-256 key needs x and y";
        *key = ec_key(&a, &b);
        return *key ? NULL : "the point is not on P-256";
    }
    if (is_member(L, "kty", "OKP") && is_member(L, "crv", "Ed25519")) {
        if (!read_member(L, "x", &a) || a.len != 32)
            return "an Ed25519 key needs an x of 32 bytes";
        *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, a.data, a.len);
        return *key ? NULL : "not an Ed25519 key";
    }
    return "only RSA, P-256 and Ed25519 keys are understood";
}

static int public_key(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    EVP_PKEY **held = lua_newuserdata(L, sizeof *held);
    *held = NULL;
    luaL_getmetatable(L, KEY);
    lua_setmetatable(L, -2);
    const char *message = make_key(L, held);
    ERR_clear_error(); // what stays in the thread's queue confuses TLS of others
    if (!message)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, message);
    return 2;
}

static int free_key(lua_State *L) {
    EVP_PKEY **held = luaL_checkudata(L, 1, KEY);
    EVP_PKEY_free(*held);
    *held = NULL;
    return 0;
}

// JWS has r || s where libcrypto wants DER (RFC 7518, 3.4). The length of `der`, 0 on failure.
static size_t to_der(const unsigned char *signature, size_t len, unsigned char der[80]) {
    if (len != 64)
        return 0;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, 32, NULL), *s = BN_bin2bn(signature + 32, 32, NULL);
    ECDSA_SIG_set0(sig, r, s);
    unsigned char *at = der;
    int der_len = i2d_ECDSA_SIG(sig, &at);
    ECDSA_SIG_free(sig);
    return der_len > 0 ? (size_t)der_len : 0;
}

static bool check_signature(EVP_PKEY *key, const EVP_MD *digest, const unsigned char *signature,
                            size_t signature_len, const unsigned char *text, size_t len) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
                EVP_DigestVerify(context, signature, signature_len, text, len) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

static int verify(lua_State *L) {
    const char *alg = luaL_checkstring(L, 1);
    EVP_PKEY **held = luaL_checkudata(L, 2, KEY);
    size_t len, signature_len;
    const unsigned char *text = (const unsigned char *)luaL_checklstring(L, 3, &len);
    const unsigned char *signature = (const unsigned char *)luaL_checklstring(L, 4, &signature_len);
    bool good = false;
    if (strcmp(alg, "RS256") == 0 && EVP_PKEY_is_a(*held, "RSA")) {
        good = check_signature(*held, EVP_sha256(), signature, signature_len, text, len);
    } else if (strcmp(alg, "ES256") == 0 && EVP_PKEY_is_a(*held, "EC")) {
        unsigned char der[80];
        size_t der_len = to_der(signature, signature_len, der);
        good = der_len > 0 && check_signature(*held, EVP_sha256(), der, der_len, text, len);
    } else if (strcmp(alg, "EdDSA") == 0 && EVP_PKEY_is_a(*held, "ED25519")) {
        good = check_signature(*held, NULL, signature, signature_len, text, len);
    }
    ERR_clear_error();
    lua_pushboolean(L, good);
    return 1;
}

int api_open_crypto(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {{"uuid", uuid},
                                         {"uuid_of", uuid_of},
                                         {"random", random_bytes},
                                         {"sha256", sha256},
                                         {"hmac_sha256", hmac_sha256},
                                         {"equal", equal},
                                         {"hex", hex},
                                         {"base64url_encode", base64url_encode},
                                         {"base64url_decode", base64url_decode},
                                         {"base64_encode", base64_encode},
                                         {"base64_decode", base64_decode},
                                         {"public_key", public_key},
                                         {"verify", verify},
                                         {NULL, NULL}};
    luaL_newmetatable(L, KEY);
    lua_pushcfunction(L, free_key);
    lua_setfield(L, -2, "__gc");
    lua_pushboolean(L, false); // or a script could free a key in use
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
