#include "public_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static bool in_range(uint32_t address, uint32_t network, int bits) {
    return (address ^ network) >> (32 - bits) == 0;
}

// IANA's special-purpose registry (RFC 6890) and multicast.
static bool is_public_v4(uint32_t a) {
    static const struct {
        uint32_t network;
        int bits;
    } SPECIAL[] = {
        {0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
        {0xAC100000, 12}, {0xC0000000, 24}, {0xC0000200, 24}, {0xC0586300, 24}, {0xC0A80000, 16},
        {0xC6120000, 15}, {0xC6336400, 24}, {0xCB007100, 24}, {0xE0000000, 4},  {0xF0000000, 4},
    };
    for (size_t i = 0; i < sizeof SPECIAL / sizeof *SPECIAL; i++)
        if (in_range(a, SPECIAL[i].network, SPECIAL[i].bits))
            return false;
    return true;
}

static uint32_t read_v4(const unsigned char *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool is_public_v6(const unsigned char b[16]) {
    static const unsigned char MAPPED[12] = {[10] = 0xFF, [11] = 0xFF};
    static const unsigned char NAT64[12] = {0x00, 0x64, 0xFF, 0x9B};
    if (memcmp(b, MAPPED, 12) == 0 || memcmp(b, NAT64, 12) == 0)
        return is_public_v4(read_v4(b + 12));
    if (b[0] == 0x20 && b[1] == 0x02) // 6to4
        return is_public_v4(read_v4(b + 2));
    // Global unicast is 2000::/3; of it 2001::/23 (Teredo and kin) and 2001:db8::/32 are special.
    if ((b[0] & 0xE0) != 0x20)
        return false;
    if (b[0] == 0x20 && b[1] == 0x01 && (b[2] < 2 || (b[2] == 0x0D && b[3] == 0xB8)))
        return false;
    return true;
}

bool public_address_is(const struct sockaddr *address) {
    if (address->sa_family == AF_INET)
        return is_public_v4(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return is_public_v6(((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr);
    return false;
}
