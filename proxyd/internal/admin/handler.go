package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"section.internal/contract/control"
)

// maxRequestBody is far above any request of the control socket, in bytes.
const maxRequestBody = 64 << 10

// route is what one path of the control socket takes and does.
type route struct {
	method string
	handle http.HandlerFunc
}

// handler answers the paths of contract/control; whatever fails is answered with a control.Failure.
func handler(f Functions) http.Handler {
	routes := map[string]route{
		control.PingPath: {http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
		}},
		control.StatusPath: {http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, f.Status())
		}},
		control.ConfigPath: {http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, f.Config())
		}},
		control.ReloadPath: {http.MethodPost, func(w http.ResponseWriter, r *http.Request) {
			reload(w, r, f)
		}},
		control.LogLevelPath: {http.MethodPut, func(w http.ResponseWriter, r *http.Request) {
			setLogLevel(w, r, f)
		}},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, known := routes[r.URL.Path]
		switch {
		case !known:
			fail(w, http.StatusNotFound, fmt.Sprintf("proxyd knows no %s: are the tool and proxyd of one version?", r.URL.Path))
		case r.Method != route.method:
			w.Header().Set("Allow", route.method)
			fail(w, http.StatusMethodNotAllowed, fmt.Sprintf("%s takes %s, not %s", r.URL.Path, route.method, r.Method))
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
			route.handle(w, r)
		}
	})
}

func reload(w http.ResponseWriter, r *http.Request, f Functions) {
	generation, err := f.Reload(r.Context())
	if err == nil {
		answer(w, http.StatusOK, generation)
		return
	}
	var problems []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			problems = append(problems, line)
		}
	}
	fail(w, http.StatusUnprocessableEntity, "proxyd keeps the previous configuration", problems...)
}

func setLogLevel(w http.ResponseWriter, r *http.Request, f Functions) {
	var want control.LogLevel
	body := json.NewDecoder(r.Body)
	body.DisallowUnknownFields()
	err := body.Decode(&want)
	if err == nil {
		if _, more := body.Token(); more != io.EOF { // not More: it takes a closing bracket for the end
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		fail(w, http.StatusBadRequest, fmt.Sprintf(`cannot read the request's body: %v: want {"level": "info"}`, err))
		return
	}
	if err := f.SetLogLevel(want.Level); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func fail(w http.ResponseWriter, status int, text string, problems ...string) {
	answer(w, status, control.Failure{Error: text, Problems: problems})
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("BUG: a %T of the control socket is no JSON: %v", body, err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(text, '\n')) // a caller that has gone needs no answer
}
