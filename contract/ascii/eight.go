package ascii

// Each times a byte is a word of eight such bytes.
const Each = 0x0101010101010101

// Tops has the top bit of each of eight bytes: those of a word that have it are not ASCII.
const Tops = Each << 7

// Controls is not 0 when one of the eight bytes of w is below 0x20 or is 0x7f. Subtracting from each byte borrows into its top bit
// where the byte was smaller and had no top bit of its own; the lowest such byte is always right, so that none is missed and none is
// found where there is none.
func Controls(w uint64) uint64 {
	return ((w - Each*' ') | ((w ^ Each*0x7f) - Each)) &^ w & Tops
}
