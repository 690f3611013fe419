package client

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"section.internal/contract/control"
)

// FuzzDecode: an answer that is not a success never passes for one, a refusal always has proxyd's reason, and what is read as a
// status can be written and is then read as the same.
func FuzzDecode(f *testing.F) {
	f.Add(200, []byte(`{"pid":7,"started":"2026-01-02T03:04:05Z","next_hop":{"addresses":["a:80"]}}`))
	f.Add(422, []byte(`{"error":"no","problems":["a:1:1: x"]}`))
	f.Add(204, []byte(""))
	f.Add(400, []byte(`{"error":""}`))
	f.Add(500, []byte("\x00\xff"))
	f.Add(200, []byte(`{"pid":7}{}`))
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		var got control.Status
		err := decode(status, text, &got)
		good := status >= 200 && status <= 299
		if refused := (*RefusedError)(nil); errors.As(err, &refused) && (good || refused.Failure.Error == "" || refused.Status != status) {
			t.Errorf("%d %q: %+v", status, text, refused)
		}
		if err == nil && !good {
			t.Fatalf("%d %q passes for a success", status, text)
		}
		if err != nil {
			if err.Error() == "" {
				t.Errorf("%d %q: an error without a word", status, text)
			}
			return
		}
		written, err := json.Marshal(got)
		if err != nil {
			return // a time that JSON cannot have
		}
		var again control.Status
		if err := decode(200, written, &again); err != nil {
			t.Fatalf("%q is written as %q: %v", text, written, err)
		}
		if a, _ := json.Marshal(again); string(a) != string(written) || again.PID != got.PID || !reflect.DeepEqual(again.NextHop.Addresses, got.NextHop.Addresses) {
			t.Errorf("%q is read as %+v, and again as %+v", text, got, again)
		}
	})
}
