// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The meaning of an error travels, with its text and no more.
func TestMeaningsTravel(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]error{
		"invalid":       fmt.Errorf("taking the order: %w", serve.ErrInvalid),
		"a conflict":    fmt.Errorf("taking the order: %w", serve.ErrConflict),
		"anything else": errors.New("the disk is full"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			refuse(w, sent)
			got := failureOf(w.Result())
			for _, meaning := range []error{serve.ErrInvalid, serve.ErrConflict} {
				if errors.Is(got, meaning) != errors.Is(sent, meaning) {
					t.Errorf("%v has become %v", sent, got)
				}
			}
			if !strings.HasSuffix(got.Error(), sent.Error()) {
				t.Errorf("%q has become %q", sent, got)
			}
		})
	}
}

// bare gives the directory of a machine that has its user data, and its keys.
func bare(f *testing.F) (dir string, keys Keys) {
	f.Helper()
	dir = f.TempDir()
	keys, err := NewKeys(secret(), ref(7))
	if err != nil {
		f.Fatal(err)
	}
	birth, err := keys.BirthPEM()
	if err != nil {
		f.Fatal(err)
	}
	for name, content := range map[string]string{
		configFile: `{"port": 9738, "lease_seconds": 3600}`, controllerFile: keys.ControllerPEM(), birthFile: birth,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	return dir, keys
}

// Whatever the machine is sent as an order, it takes none that it could not carry
// out, and stays able to take one.
func FuzzOrders(f *testing.F) {
	dir, keys := bare(f)
	key := seedOf(keys.machine)
	good, err := json.Marshal(sealedOrder{Order: Order{Ref: ref(7), Port: 8080, Lease: time.Hour}, Key: key})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(good), string(good[:len(good)/2]), strings.Replace(string(good), "8080", "-1", 1),
		strings.Replace(string(good), `"key":"`, `"key":"AAAA`, 1), `{"order": null}`, `[]`, `{"key": 1}`, "", "\x00",
		strings.Replace(string(good), `"task":{`, `"task":{"workdir":"sha256:../..",`, 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer a.lease.timer.Stop()
		defer a.output.Close()
		w := httptest.NewRecorder()
		a.takeOrder(w, httptest.NewRequestWithContext(t.Context(), http.MethodPut, pathOrder, bytes.NewReader(body)))
		switch w.Code {
		case http.StatusNoContent:
			if o := a.current(); o == nil || o.Port < 1 || o.Port > 65535 || o.Lease <= 0 {
				t.Errorf("the machine has taken %+v", o)
			}
			if _, err := open(Options{Dir: dir}); err != nil {
				t.Errorf("an agent that is started again cannot go on: %v", err)
			}
			if err := os.Remove(filepath.Join(dir, orderFile)); err != nil {
				t.Fatal(err)
			}
		case http.StatusUnprocessableEntity, http.StatusFailedDependency:
			if a.current() != nil {
				t.Errorf("the machine has refused an order, and taken it: %d", w.Code)
			}
		default:
			t.Errorf("the answer is %d: %s", w.Code, w.Body)
		}
	})
}

// Whatever the machine answers, the controller is not harmed by it, and does not
// take nonsense for a state.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{`{"phase":"run"}`, "\n", `{"phase":"exited","exit_code":3}` + "\n\n{", `{"warnings":[{"at":"x"}]}`, "null\n", "\x00\n"} {
		f.Add(200, seed)
	}
	f.Add(500, "no")
	f.Add(422, "\xff")
	f.Add(424, `{"missing":["sha256:x"]}`)
	f.Add(99, "")
	_, keys := bare(f)
	f.Fuzz(func(t *testing.T, status int, body string) {
		c := &Client{address: "machine:1", keys: keys}
		c.http.Transport = answering(func() *http.Response {
			return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Body: io.NopCloser(strings.NewReader(body))}
		})
		told := 0
		err := c.Watch(t.Context(), func(State) bool { told++; return true })
		if err == nil {
			t.Error("a watch has ended though nobody wanted it to")
		}
		if told > strings.Count(body, "\n") {
			t.Errorf("%d states were told of %q", told, body)
		}
		if _, err := c.State(t.Context()); err == nil && !strings.HasPrefix(strings.TrimSpace(body), "{") && !strings.HasPrefix(strings.TrimSpace(body), "null") {
			t.Errorf("%q was taken for a state", body)
		}
		_, _ = c.putOrder(t.Context(), Order{})
	})
}

type answering func() *http.Response

func (a answering) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }

// What a cloud says is a warning whenever it says anything at all.
func FuzzInstanceAction(f *testing.F) {
	for _, seed := range []string{`{"action": "terminate", "time": "2030-01-02T03:04:05Z"}`, `{"action": "hibernate"}`, "", "<html>", `{"time": 1}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		w, ok := readInstanceAction(said)
		if !ok || w.Kind != WarningInterruption || w.Deadline.IsZero() {
			t.Errorf("%q is %+v, %t", said, w, ok)
		}
		if _, err := json.Marshal(w); err != nil {
			t.Errorf("%q cannot be told: %v", said, err)
		}
	})
}
