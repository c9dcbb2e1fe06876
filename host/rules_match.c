#include "rules_match.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "rules_budget.h"

enum { ESCAPE = '%', UNFINISHED = -1, POSITION = -2, MAX_DEPTH = 200 };

static const char SPECIALS[] = "^$*+?.([%-";

// A pattern ends at its NUL, as in Lua 5.1: %z stands for that byte.
struct matcher {
    lua_State *L;
    const char *begin, *end; // of the subject
    int level;               // captures, finished or not
    int depth;               // of the recursion
    struct {
        const char *begin;
        ptrdiff_t len;
    } captures[LUA_MAXCAPTURES];
};

static const char *match_here(struct matcher *m, const char *s, const char *p);

static void step(const struct matcher *m) {
    rules_budget_steps(m->L, 1);
}

// Classes: ASCII, whatever the locale is.

static bool in_range(int c, int from, int to) {
    return c >= from && c <= to;
}

static bool is_class(int c, int lower_class, bool *known) {
    bool letter = in_range(c | 32, 'a', 'z') && c < 128, digit = in_range(c, '0', '9');
    bool graph = in_range(c, 33, 126);
    switch (lower_class) {
    case 'a':
        return letter;
    case 'c':
        return c < 32 || c == 127;
    case 'd':
        return digit;
    case 'g':
        return graph;
    case 'l':
        return in_range(c, 'a', 'z');
    case 'p':
        return graph && !letter && !digit;
    case 's':
        return c == ' ' || in_range(c, '\t', '\r');
    case 'u':
        return in_range(c, 'A', 'Z');
    case 'w':
        return letter || digit;
    case 'x':
        return digit || (c < 128 && in_range(c | 32, 'a', 'f'));
    case 'z':
        return c == 0;
    default:
        *known = false;
        return false;
    }
}

static bool matches_class(int c, int class) {
    bool known = true;
    bool is_upper = in_range(class, 'A', 'Z');
    bool is = is_class(c, is_upper ? class + 32 : class, &known);
    return known ? is != is_upper : class == c;
}

static const char *class_end(const struct matcher *m, const char *p) {
    switch (*p++) {
    case ESCAPE:
        if (!*p)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    case '[':
        if (*p == '^')
            p++;
        do {
            if (!*p)
                luaL_error(m->L, "malformed pattern (missing ']')");
            if (*p++ == ESCAPE && *p)
                p++;
        } while (*p != ']');
        return p + 1;
    default:
        return p;
    }
}

// `last` is the ']' of the set that begins at p.
static bool matches_set(int c, const char *p, const char *last) {
    bool positive = true;
    if (p[1] == '^') {
        positive = false;
        p++;
    }
    while (++p < last) {
        if (*p == ESCAPE) {
            p++;
            if (matches_class(c, (unsigned char)*p))
                return positive;
        } else if (p[1] == '-' && p + 2 < last) {
            p += 2;
            if (in_range(c, (unsigned char)p[-2], (unsigned char)*p))
                return positive;
        } else if ((unsigned char)*p == c) {
            return positive;
        }
    }
    return !positive;
}

static bool matches_one(const struct matcher *m, const char *s, const char *p, const char *end) {
    if (s >= m->end)
        return false;
    int c = (unsigned char)*s;
    rules_budget_steps(m->L, *p == '[' ? (unsigned)(end - p) : 1);
    switch (*p) {
    case '.':
        return true;
    case ESCAPE:
        return matches_class(c, (unsigned char)p[1]);
    case '[':
        return matches_set(c, p, end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

// The items of a pattern: each returns where the match ends, or NULL.

static const char *match_balance(const struct matcher *m, const char *s, const char *p) {
    if (!p[0] || !p[1])
        luaL_error(m->L, "unbalanced pattern");
    if (s >= m->end || *s != p[0])
        return NULL;
    int open = 1;
    while (++s < m->end) {
        step(m);
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

static const char *match_most(struct matcher *m, const char *s, const char *p, const char *end) {
    ptrdiff_t count = 0;
    while (matches_one(m, s + count, p, end))
        count++;
    for (; count >= 0; count--) {
        const char *found = match_here(m, s + count, end + 1);
        if (found)
            return found;
    }
    return NULL;
}

static const char *match_least(struct matcher *m, const char *s, const char *p, const char *end) {
    for (;;) {
        const char *found = match_here(m, s, end + 1);
        if (found)
            return found;
        if (!matches_one(m, s, p, end))
            return NULL;
        s++;
    }
}

static const char *begin_capture(struct matcher *m, const char *s, const char *p, ptrdiff_t what) {
    if (m->level >= LUA_MAXCAPTURES)
        luaL_error(m->L, "too many captures");
    m->captures[m->level].begin = s;
    m->captures[m->level].len = what;
    m->level++;
    const char *found = match_here(m, s, p);
    if (!found)
        m->level--;
    return found;
}

static const char *end_capture(struct matcher *m, const char *s, const char *p) {
    int index = m->level - 1;
    while (index >= 0 && m->captures[index].len != UNFINISHED)
        index--;
    if (index < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->captures[index].len = s - m->captures[index].begin;
    const char *found = match_here(m, s, p);
    if (!found)
        m->captures[index].len = UNFINISHED;
    return found;
}

static const char *match_back(const struct matcher *m, const char *s, int digit) {
    int index = digit - '1';
    if (index < 0 || index >= m->level || m->captures[index].len == UNFINISHED)
        luaL_error(m->L, "invalid capture index");
    size_t len = (size_t)m->captures[index].len;
    if (m->captures[index].len < 0 || (size_t)(m->end - s) < len)
        return NULL;
    rules_budget_steps(m->L, (unsigned)(len / 16) + 1);
    return memcmp(m->captures[index].begin, s, len) == 0 ? s + len : NULL;
}

static bool is_frontier(const struct matcher *m, const char *s, const char *p, const char *end) {
    int before = s == m->begin ? 0 : (unsigned char)s[-1];
    int here = s < m->end ? (unsigned char)*s : 0;
    return !matches_set(before, p, end - 1) && matches_set(here, p, end - 1);
}

// An item that is a class and perhaps a repetition. NULL: no match; otherwise *p is where to go on,
// or NULL when the result is that of the whole rest.
static const char *match_class_item(struct matcher *m, const char *s, const char **p) {
    const char *item = *p, *end = class_end(m, item);
    *p = NULL;
    switch (*end) {
    case '?':
        if (matches_one(m, s, item, end)) {
            const char *found = match_here(m, s + 1, end + 1);
            if (found)
                return found;
        }
        *p = end + 1;
        return s;
    case '*':
        return match_most(m, s, item, end);
    case '+':
        return matches_one(m, s, item, end) ? match_most(m, s + 1, item, end) : NULL;
    case '-':
        return match_least(m, s, item, end);
    default:
        *p = end;
        return matches_one(m, s, item, end) ? s + 1 : NULL;
    }
}

// An item that begins with '%'; false: it is a class.
static bool match_escape(struct matcher *m, const char **s, const char **p) {
    const char *item = *p;
    if (item[1] == 'b') {
        *s = match_balance(m, *s, item + 2);
        *p = item + 4;
    } else if (item[1] == 'f') {
        item += 2;
        if (*item != '[')
            luaL_error(m->L, "missing '[' after '%%f' in pattern");
        const char *end = class_end(m, item);
        *s = is_frontier(m, *s, item, end) ? *s : NULL;
        *p = end;
    } else if (in_range(item[1], '0', '9')) {
        *s = match_back(m, *s, item[1]);
        *p = item + 2;
    } else {
        return false;
    }
    return true;
}

static const char *match_here(struct matcher *m, const char *s, const char *p) {
    if (++m->depth > MAX_DEPTH)
        luaL_error(m->L, "pattern too complex");
    while (s && p && *p) {
        step(m);
        if (*p == '(') {
            s = p[1] == ')' ? begin_capture(m, s, p + 2, POSITION)
                            : begin_capture(m, s, p + 1, UNFINISHED);
            break;
        }
        if (*p == ')') {
            s = end_capture(m, s, p + 1);
            break;
        }
        if (*p == '$' && !p[1]) {
            s = s == m->end ? s : NULL;
            break;
        }
        if (*p == ESCAPE && match_escape(m, &s, &p))
            continue;
        s = match_class_item(m, s, &p);
    }
    m->depth--;
    return s;
}

// Captures as Lua values.

static void push_capture(const struct matcher *m, int index, const char *s, const char *e) {
    if (index >= m->level) {
        if (index != 0)
            luaL_error(m->L, "invalid capture index");
        lua_pushlstring(m->L, s, (size_t)(e - s)); // the whole match
        return;
    }
    if (m->captures[index].len == UNFINISHED)
        luaL_error(m->L, "unfinished capture");
    if (m->captures[index].len == POSITION)
        lua_pushinteger(m->L, m->captures[index].begin - m->begin + 1);
    else
        lua_pushlstring(m->L, m->captures[index].begin, (size_t)m->captures[index].len);
}

// s NULL: no whole match where there are no captures.
static int push_captures(const struct matcher *m, const char *s, const char *e) {
    int count = m->level == 0 && s ? 1 : m->level;
    luaL_checkstack(m->L, count, "too many captures");
    for (int i = 0; i < count; i++)
        push_capture(m, i, s, e);
    return count;
}

static const char *match_at(struct matcher *m, const char *s, const char *p) {
    m->level = m->depth = 0;
    return match_here(m, s, p);
}

static struct matcher open_matcher(lua_State *L, const char *subject, size_t len) {
    rules_budget_check(L);
    return (struct matcher){.L = L, .begin = subject, .end = subject + len};
}

// find and match.

static int find_plain(lua_State *L, const char *subject, size_t len, size_t from, const char *text,
                      size_t text_len) {
    rules_budget_steps(L, (unsigned)((len - from) / 16));
    const char *found =
        text_len == 0 ? subject + from : memmem(subject + from, len - from, text, text_len);
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - subject + 1);
    lua_pushinteger(L, found - subject + (ptrdiff_t)text_len);
    return 2;
}

static bool is_plain(const char *pattern, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (pattern[i] && strchr(SPECIALS, pattern[i]))
            return false;
    return true;
}

static int search(lua_State *L, bool find) {
    size_t len, pattern_len;
    const char *subject = luaL_checklstring(L, 1, &len);
    const char *p = luaL_checklstring(L, 2, &pattern_len);
    ptrdiff_t from = luaL_optinteger(L, 3, 1);
    if (from < 0)
        from += (ptrdiff_t)len + 1;
    from = from < 1 ? 0 : from - 1;
    if ((size_t)from > len)
        from = (ptrdiff_t)len;
    if (find && (lua_toboolean(L, 4) || is_plain(p, pattern_len)))
        return find_plain(L, subject, len, (size_t)from, p, pattern_len);
    struct matcher m = open_matcher(L, subject, len);
    bool anchored = *p == '^';
    p += anchored;
    for (const char *s = subject + from; s <= m.end; s++) {
        const char *e = match_at(&m, s, p);
        if (e && find) {
            lua_pushinteger(L, s - subject + 1);
            lua_pushinteger(L, e - subject);
            return push_captures(&m, NULL, NULL) + 2;
        }
        if (e)
            return push_captures(&m, s, e);
        if (anchored)
            break;
    }
    lua_pushnil(L);
    return 1;
}

static int find(lua_State *L) {
    return search(L, true);
}

static int match(lua_State *L) {
    return search(L, false);
}

// gmatch: upvalues are the subject, the pattern and the place to go on.

static int next_match(lua_State *L) {
    size_t len;
    const char *subject = lua_tolstring(L, lua_upvalueindex(1), &len);
    const char *p = lua_tostring(L, lua_upvalueindex(2));
    struct matcher m = open_matcher(L, subject, len);
    for (const char *s = subject + lua_tointeger(L, lua_upvalueindex(3)); s <= m.end; s++) {
        const char *e = match_at(&m, s, p);
        if (!e)
            continue;
        lua_pushinteger(L, e - subject + (e == s));
        lua_replace(L, lua_upvalueindex(3));
        return push_captures(&m, s, e);
    }
    return 0;
}

static int gmatch(lua_State *L) {
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_match, 3);
    return 1;
}

// gsub.

static void add_text(const struct matcher *m, luaL_Buffer *out, const char *s, const char *e) {
    size_t len;
    const char *text = lua_tolstring(m->L, 3, &len);
    for (size_t i = 0; i < len; i++) {
        step(m);
        if (text[i] != ESCAPE) {
            luaL_addchar(out, text[i]);
        } else if (!in_range(text[++i], '0', '9')) {
            luaL_addchar(out, text[i]);
        } else if (text[i] == '0') {
            luaL_addlstring(out, s, (size_t)(e - s));
        } else {
            push_capture(m, text[i] - '1', s, e);
            luaL_addvalue(out);
        }
    }
}

static void add_value(const struct matcher *m, luaL_Buffer *out, const char *s, const char *e) {
    lua_State *L = m->L;
    int type = lua_type(L, 3);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_text(m, out, s, e);
        return;
    }
    if (type == LUA_TTABLE) {
        push_capture(m, 0, s, e);
        lua_gettable(L, 3);
    } else {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, e), 1);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, s, (size_t)(e - s));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(out);
}

static int gsub(lua_State *L) {
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    const char *p = luaL_checkstring(L, 2);
    int type = lua_type(L, 3);
    if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TTABLE && type != LUA_TFUNCTION)
        luaL_argerror(L, 3, "string/function/table expected");
    if (type == LUA_TNUMBER)
        lua_tostring(L, 3); // in place
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)len + 1), count = 0;
    bool anchored = *p == '^';
    p += anchored;
    struct matcher m = open_matcher(L, s, len);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    while (count < most) {
        const char *e = match_at(&m, s, p);
        if (e) {
            count++;
            add_value(&m, &out, s, e);
        }
        if (e && e > s)
            s = e;
        else if (s < m.end)
            luaL_addchar(&out, *s++);
        else
            break;
        if (anchored)
            break;
    }
    luaL_addlstring(&out, s, (size_t)(m.end - s));
    luaL_pushresult(&out);
    lua_pushinteger(L, count);
    return 2;
}

void rules_match_register(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {
        {"find", find}, {"match", match}, {"gmatch", gmatch}, {"gsub", gsub}, {NULL, NULL}};
    for (const luaL_Reg *entry = FUNCTIONS; entry->name; entry++) {
        lua_pushcfunction(L, entry->func);
        lua_setfield(L, -2, entry->name);
    }
}
