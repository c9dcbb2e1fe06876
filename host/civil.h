// The Gregorian calendar, as if it had always been: days are numbered from 1970-01-01 on, months
// from 1, days of the week from Monday, 0.
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool civil_is_leap(int year);
int64_t civil_year_start(int year);         // the day of its 1st of January
int civil_month_start(int year, int month); // the days of the year before it
int civil_month_len(int year, int month);
int civil_year_of(int64_t day);
int civil_weekday_of(int64_t day);

// a / b, towards minus infinity; b is positive.
int64_t civil_floor_div(int64_t a, int64_t b);
