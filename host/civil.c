#include "civil.h"

bool civil_is_leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int64_t civil_year_start(int year) {
    int64_t before = year - 1;
    return before * 365 + before / 4 - before / 100 + before / 400 - 719162;
}

int civil_month_start(int year, int month) {
    static const int BEFORE[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    return BEFORE[month - 1] + (month > 2 && civil_is_leap(year));
}

int civil_month_len(int year, int month) {
    if (month == 12)
        return 31;
    return civil_month_start(year, month + 1) - civil_month_start(year, month);
}

int civil_year_of(int64_t day) {
    int year = 1970 + (int)(day * 400 / 146097);
    while (civil_year_start(year) > day)
        year--;
    while (civil_year_start(year + 1) <= day)
        year++;
    return year;
}

int64_t civil_floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

int civil_weekday_of(int64_t day) {
    return (int)(day + 3 - civil_floor_div(day + 3, 7) * 7);
}
