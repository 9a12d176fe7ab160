package money

import "math/bits"

// MulDiv returns a*b/c, exact between and cut toward zero at the end. Its error is ErrDivide where c is zero, else ErrRange.
func MulDiv(a, b, c Amount) (Amount, error) {
	if c.IsZero() {
		return Amount{}, ErrDivide
	}
	ch, cl := c.magnitude()
	p3, p2, p1, p0 := product(a, b)
	// A quotient of 2^128 or more is beyond the bound anyway, and the division below needs less.
	if p3 > ch || p3 == ch && p2 >= cl {
		return Amount{}, ErrRange
	}
	qh, ql := quotient(p3, p2, p1, p0, ch, cl)
	return signed(qh, ql, (a.hi < 0) != (b.hi < 0) != (c.hi < 0))
}

// product returns the 256 bits of |a|*|b|, the highest word first.
func product(a, b Amount) (p3, p2, p1, p0 uint64) {
	ah, al := a.magnitude()
	bh, bl := b.magnitude()
	p1, p0 = bits.Mul64(al, bl)
	m1h, m1l := bits.Mul64(ah, bl)
	m2h, m2l := bits.Mul64(al, bh)
	p3, p2 = bits.Mul64(ah, bh)
	var carry uint64
	p1, carry = bits.Add64(p1, m1l, 0)
	p2, carry = bits.Add64(p2, m1h, carry)
	p3 += carry
	p1, carry = bits.Add64(p1, m2l, 0)
	p2, carry = bits.Add64(p2, m2h, carry)
	p3 += carry
	return p3, p2, p1, p0
}

// quotient divides 256 bits by 128, where the upper 128 bits are less than the divisor (Knuth, The Art of Computer Programming 4.3.1 D).
func quotient(u3, u2, u1, u0, vh, vl uint64) (hi, lo uint64) {
	if vh == 0 {
		// Then u3 is 0 and u2 < vl.
		hi, r := bits.Div64(u2, u1, vl)
		lo, _ = bits.Div64(r, u0, vl)
		return hi, lo
	}
	if s := uint(bits.LeadingZeros64(vh)); s > 0 {
		vh, vl = vh<<s|vl>>(64-s), vl<<s
		u3, u2, u1, u0 = u3<<s|u2>>(64-s), u2<<s|u1>>(64-s), u1<<s|u0>>(64-s), u0<<s
	}
	hi, u2, u1 = digit(u3, u2, u1, vh, vl)
	lo, _, _ = digit(u2, u1, u0, vh, vl)
	return hi, lo
}

// digit divides three words by two whose top bit is set, where the upper two are less than the divisor.
func digit(u2, u1, u0, vh, vl uint64) (q, rh, rl uint64) {
	var r, over uint64
	if u2 >= vh {
		q = ^uint64(0)
		r, over = bits.Add64(u1, vh, 0)
	} else {
		q, r = bits.Div64(u2, u1, vh)
	}
	// The guess from the top words is at most two too great; once r exceeds a word it is right.
	for over == 0 {
		ph, pl := bits.Mul64(q, vl)
		if ph < r || ph == r && pl <= u0 {
			break
		}
		q--
		r, over = bits.Add64(r, vh, 0)
	}
	ph, pl := bits.Mul64(q, vl)
	var borrow uint64
	rl, borrow = bits.Sub64(u0, pl, 0)
	rh, _ = bits.Sub64(u1-q*vh, ph, borrow)
	return q, rh, rl
}
