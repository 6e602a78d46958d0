cdef extern from *:
    """
    static inline int add_overflows(long long a, long long b, long long *result) {
        return __builtin_add_overflow(a, b, result);
    }
    static inline int multiply_overflows(long long a, long long b, long long *result) {
        return __builtin_mul_overflow(a, b, result);
    }
    """
    bint add_overflows(long long, long long, long long *) noexcept nogil
    bint multiply_overflows(long long, long long, long long *) noexcept nogil
