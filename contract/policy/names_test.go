package policy

import (
	"fmt"
	"strings"
	"testing"
)

func TestSlots_EachNameIsFoundAndNoOther(t *testing.T) {
	for _, n := range []int{1, 10, many - 1, many, 3 * many} {
		fields, cookies := newSlots(true), newSlots(false)
		for i := range n {
			name := fmt.Sprintf("X-%d", i)
			if a, b := fields.slot(name), cookies.slot(name); a != int32(i) || b != int32(i) {
				t.Fatalf("%s of %d has the slots %d and %d", name, n, a, b)
			}
			if again := fields.slot(strings.ToLower(name)); again != int32(i) {
				t.Fatalf("%s of %d has a second slot, %d", name, n, again)
			}
		}
		for i := range n {
			name := fmt.Sprintf("X-%d", i)
			lower := strings.ToLower(name)
			if a, b := fields.find([]byte(name)), fields.find([]byte(lower)); a != int32(i) || b != int32(i) {
				t.Errorf("the field %s of %d is found in %d and %d", name, n, a, b)
			}
			if a, b := cookies.find([]byte(name)), cookies.find([]byte(lower)); a != int32(i) || b != -1 {
				t.Errorf("the cookie %s of %d is found in %d, and in lower case in %d", name, n, a, b)
			}
		}
		for _, name := range []string{"", "X", "Y-0", "X-0x", fmt.Sprintf("X-%d", n), strings.Repeat("x", 100)} {
			if a, b := fields.find([]byte(name)), cookies.find([]byte(name)); a != -1 || b != -1 {
				t.Errorf("%q beside %d names is found in %d and %d", name, n, a, b)
			}
		}
	}
}
