"""Prime numbers: hashed tables have a prime number of rows for each of their heads."""

from __future__ import annotations

from typing import Final

_WITNESSES: Final = (2, 3, 5, 7)
"""enough to tell primes from all other numbers below 3,215,031,751 (Miller and Rabin; Jaeschke 1993)"""


def primes_from(low: int, count: int) -> tuple[int, ...]:
    """The first `count` primes that are not below `low`.

    low [1]: at most 2^31. count [1]: how many.
    Equation: p_1 = min {p prime, p >= low}, p_(i+1) the next prime after p_i.
    Valid for primes below 3.2 x 10^9.
    Reference: G. Jaeschke, On strong pseudoprimes to several bases, Mathematics of Computation 61 (1993).

    >>> primes_from(20, 4)
    (23, 29, 31, 37)
    """
    found: list[int] = []
    number = low
    while len(found) < count:
        if _is_prime(number):
            found.append(number)
        number += 1
    return tuple(found)


def _is_prime(number: int) -> bool:
    if number < 2:
        return False
    for divisor in _WITNESSES:
        if number % divisor == 0:
            return number == divisor
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_passes(number, witness, odd, twos) for witness in _WITNESSES)


def _passes(number: int, witness: int, odd: int, twos: int) -> bool:
    """Whether a witness finds no proof that the number is composite."""
    value = pow(witness, odd, number)
    if value in (1, number - 1):
        return True
    for _ in range(twos - 1):
        value = value * value % number
        if value == number - 1:
            return True
    return False
