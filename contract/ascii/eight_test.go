package ascii

import (
	"encoding/binary"
	"testing"
)

// Each byte at each place, beside neighbours that borrow or lend.
func TestEight_FindWhatIsThereAndNothingElse(t *testing.T) {
	for place := range 8 {
		for _, neighbour := range []byte{' ', '!', '~', 0x80, 0xff} {
			for c := range 256 {
				var b [8]byte
				for i := range b {
					b[i] = neighbour
				}
				b[place] = byte(c)
				w := binary.LittleEndian.Uint64(b[:])
				if got, want := Controls(w) != 0, c < ' ' || c == 0x7f; got != want {
					t.Errorf("%q: a control byte is found: %v, want %v", b, got, want)
				}
				if got, want := w&Tops != 0, c >= 0x80 || neighbour >= 0x80; got != want {
					t.Errorf("%q: a byte beyond ASCII is found: %v, want %v", b, got, want)
				}
			}
		}
	}
}
