package policy

import (
	"math/bits"

	"section.internal/contract/config"
)

// Variant returns which variant of a split a key gets. It depends on nothing else than the names of the split and its variants, the
// weights, and the key, so that all replicas agree, now and after every update:
//
//	h = the FNV-1a hash of 64 bits of the split's name, a zero byte, and the key
//	h = fmix64(h), the last step of MurmurHash3, since the last bytes of FNV-1a hardly reach the highest bits
//	n = the upper 64 bits of h times the sum of all weights
//
// and the variant is the first, in the order of their names, with which the sum of the weights so far is above n. So a key keeps its
// variant as long as the weights do, and two splits of one key have nothing to do with each other.
func Variant(s *config.Split, key []byte) string {
	h := uint64(14695981039346656037)
	for _, c := range []byte(s.Name) {
		h = (h ^ uint64(c)) * fnvPrime
	}
	h *= fnvPrime // the zero byte
	for _, c := range key {
		h = (h ^ uint64(c)) * fnvPrime
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	var sum uint64
	for _, v := range s.Variants {
		sum += uint64(v.Weight)
	}
	n, _ := bits.Mul64(h, sum)
	for _, v := range s.Variants {
		if n < uint64(v.Weight) {
			return v.Name
		}
		n -= uint64(v.Weight)
	}
	return "" // no weights
}

const fnvPrime = 1099511628211
