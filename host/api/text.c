// host.text: what Lua's own strings, being bytes, do not know
#include "text.h"

#include <lauxlib.h>
#include <locale.h>
#include <pthread.h>
#include <stdint.h>
#include <wchar.h>
#include <wctype.h>

// For all threads, for the life of the process: towlower_l only reads it.
static locale_t locale;

static void make_locale(void) {
    locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
}

// The bytes of the sequence that begins with `lead`; 1 for what begins none.
static size_t sequence_len(unsigned char lead) {
    return lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
}

static uint32_t decode(const unsigned char *bytes, size_t len) {
    uint32_t code = bytes[0] & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        code = code << 6 | (bytes[i] & 0x3F);
    return code;
}

static void add_utf8(luaL_Buffer *out, uint32_t code) {
    if (code < 0x80) {
        luaL_addchar(out, (char)code);
    } else if (code < 0x800) {
        luaL_addchar(out, (char)(0xC0 | code >> 6));
        luaL_addchar(out, (char)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        luaL_addchar(out, (char)(0xE0 | code >> 12));
        luaL_addchar(out, (char)(0x80 | (code >> 6 & 0x3F)));
        luaL_addchar(out, (char)(0x80 | (code & 0x3F)));
    } else {
        luaL_addchar(out, (char)(0xF0 | code >> 18));
        luaL_addchar(out, (char)(0x80 | (code >> 12 & 0x3F)));
        luaL_addchar(out, (char)(0x80 | (code >> 6 & 0x3F)));
        luaL_addchar(out, (char)(0x80 | (code & 0x3F)));
    }
}

static int lower(lua_State *L) {
    size_t len;
    const unsigned char *text = (const unsigned char *)luaL_checklstring(L, 1, &len);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < len;) {
        size_t size = sequence_len(text[i]);
        if (size == 1 || i + size > len) {
            unsigned char c = text[i++];
            luaL_addchar(&out, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
            continue;
        }
        add_utf8(&out, (uint32_t)towlower_l((wint_t)decode(text + i, size), locale));
        i += size;
    }
    luaL_pushresult(&out);
    return 1;
}

static int length(lua_State *L) {
    size_t len, count = 0;
    const unsigned char *text = (const unsigned char *)luaL_checklstring(L, 1, &len);
    for (size_t i = 0; i < len; i++)
        count += (text[i] & 0xC0) != 0x80;
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

int api_open_text(lua_State *L) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_locale);
    if (!locale)
        return luaL_error(L, "the locale C.UTF-8 is missing");
    lua_newtable(L);
    lua_pushcfunction(L, lower);
    lua_setfield(L, -2, "lower");
    lua_pushcfunction(L, length);
    lua_setfield(L, -2, "length");
    return 1;
}
