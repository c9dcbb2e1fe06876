// What every test program includes: cmocka wants these headers before its own.
#pragma once

#include <setjmp.h> // IWYU pragma: keep
#include <stdarg.h> // IWYU pragma: keep
#include <stddef.h> // IWYU pragma: keep
#include <stdint.h> // IWYU pragma: keep

#include <cmocka.h>
