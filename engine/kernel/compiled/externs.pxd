cdef extern from *:
    """
    static inline int add_overflows(long long a, long long b, long long *result) {
        return __builtin_add_overflow(a, b, result);
    }
    static inline int multiply_overflows(long long a, long long b, long long *result) {
        return __builtin_mul_overflow(a, b, result);
    }

    #include <stdlib.h>
    #include <string.h>
    static int compare_two_ids(const void *a, const void *b) {
        const long long *x = (const long long *)a, *y = (const long long *)b;
        if (x[0] != y[0])
            return x[0] < y[0] ? -1 : 1;
        return (x[1] > y[1]) - (x[1] < y[1]);
    }
    static int compare_request_ids(const void *a, const void *b) {
        return memcmp(a, b, 16);
    }
    static inline void sort_by_two_ids(void *rows, size_t count, size_t row_bytes) {
        qsort(rows, count, row_bytes, compare_two_ids);
    }
    static inline void sort_by_request_id(void *rows, size_t count, size_t row_bytes) {
        qsort(rows, count, row_bytes, compare_request_ids);
    }
    """
    bint add_overflows(long long, long long, long long *) noexcept nogil
    bint multiply_overflows(long long, long long, long long *) noexcept nogil
    void sort_by_two_ids(void *, size_t, size_t) noexcept nogil
    void sort_by_request_id(void *, size_t, size_t) noexcept nogil
