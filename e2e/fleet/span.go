package fleet

// span is the sequence numbers first..last.
type span struct{ first, last uint64 }

// spans are sequence numbers: rising, disjoint and not adjacent.
type spans []span

// add appends numbers above all that are there; what is there already changes
// nothing.
func (s *spans) add(first, last uint64) {
	if n := len(*s); n > 0 {
		end := &(*s)[n-1].last
		switch {
		case last <= *end:
			return
		case first <= *end+1:
			*end = last
			return
		}
	}
	*s = append(*s, span{first, last})
}

func (s spans) count() (n uint64) {
	for _, p := range s {
		n += p.last - p.first + 1
	}
	return n
}

// minus is what s has and other has not.
func (s spans) minus(other spans) (left spans) {
	for _, p := range s {
		for len(other) > 0 && other[0].last < p.first {
			other = other[1:]
		}
		for _, o := range other {
			if o.first > p.last {
				break
			}
			if o.first > p.first {
				left = append(left, span{p.first, o.first - 1})
			}
			p.first = o.last + 1
		}
		if p.first <= p.last {
			left = append(left, p)
		}
	}
	return left
}

// and is what both have.
func (s spans) and(other spans) spans { return s.minus(s.minus(other)) }
