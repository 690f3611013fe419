package admin

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"section.internal/contract/control"
)

// FuzzLogLevel: a level is set exactly when the body is one JSON object with that level and nothing else, and every other body is
// answered with a failure.
func FuzzLogLevel(f *testing.F) {
	for _, body := range []string{`{"level":"debug"}`, ` {"level":"info"} ` + "\n", `{"level":"x"}{}`, `{}}`, `{"lvl":"x"}`, `{"level":7}`, "", "null", `{"LEVEL":"x","level":"y"}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		set := []string{}
		functions := functions()
		functions.SetLogLevel = func(level string) error { set = append(set, level); return nil }
		w := httptest.NewRecorder()
		handler(functions).ServeHTTP(w, httptest.NewRequest("PUT", control.LogLevelPath, strings.NewReader(string(body))))
		var want control.LogLevel
		whole := json.Unmarshal(body, &want) == nil // of one value, with nothing behind it
		switch w.Code {
		case 204:
			if !whole || len(set) != 1 || set[0] != want.Level {
				t.Errorf("%q sets %q", body, set)
			}
		case 400:
			var failure control.Failure
			if err := json.Unmarshal(w.Body.Bytes(), &failure); err != nil || failure.Error == "" || len(set) != 0 {
				t.Errorf("%q: %q, %v, and sets %q", body, w.Body, err, set)
			}
		default:
			t.Errorf("%q: %d", body, w.Code)
		}
	})
}
