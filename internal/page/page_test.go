// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package page

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// hostile is what a name or a message would be if somebody meant ill.
const hostile = `<script>alert(1)</script>"onload='x'`

// fake is a client of a service that changes when told to.
type fake struct {
	serve.Client
	service serve.Service
	changes chan serve.Service
}

func (f *fake) Service(context.Context) (serve.Service, error) { return f.service, nil }

func (f *fake) Events(_ context.Context, after int64, _ bool, tell func(serve.Event) bool) error {
	for i := range int64(100) {
		e := serve.Event{Seq: i + 1, At: time.Now(), Kind: serve.EventDecision, Message: fmt.Sprint("event ", i+1, hostile),
			Decision: &serve.Decision{Rejected: []serve.Rejection{{What: hostile, Why: "it is " + hostile}}}}
		if e.Seq > after && !tell(e) {
			break
		}
	}
	return nil
}

func (f *fake) Watch(ctx context.Context, tell func(serve.Service) bool) error {
	for tell(f.service) {
		select {
		case s, more := <-f.changes:
			if !more {
				return serve.ErrNotFound
			}
			f.service = s
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// service is one with something in every place of the page.
func service() serve.Service {
	at := time.Now().Add(-time.Hour)
	offer := serve.Offer{Location: serve.Location{Cloud: "local", Region: hostile, Zone: hostile}, Market: serve.Spot, InstanceType: hostile, Price: 0.03}
	spec := serve.NewSpec("web")
	spec.Envs, spec.Secrets, spec.Run = map[string]string{"E": "environment-value"}, map[string]string{"S": "hunter2"}, "run-command"
	return serve.Service{
		Name: hostile, Status: serve.Ready, Message: hostile, Endpoint: "javascript:alert(1)", Target: 2, Spec: spec,
		Replicas: []serve.Replica{
			{ID: 1, Market: serve.Spot, Offer: offer, Launch: serve.LaunchSucceeded, Ready: true, LaunchedAt: at, Message: hostile},
			{ID: 2, Market: serve.OnDemand, Launch: serve.LaunchWaiting, CreatedAt: at},
		},
		Ledger: serve.Ledger{Since: at, At: at, Spot: serve.Usage{Hours: 1, Dollars: 2}, Ready: 1, Target: 2, Interrupted: 1,
			Machines:      []serve.Machine{{Replica: 1, Market: serve.Spot, Price: 0.5, Regular: 1.5}},
			Interruptions: []serve.Interruption{{Replica: 9, Market: serve.Spot, Location: offer.Location, At: at, RequestsRetried: 71, RequestsLost: 3}},
			Timeline:      []serve.Span{{At: at, Spot: 1, Ready: 1, Target: 2}}},
	}
}

func handlerOf(client serve.Client, err error) http.Handler {
	return New("web", func(context.Context) (serve.Client, error) { return client, err })
}

func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	h := handlerOf(&fake{service: service()}, nil)
	for target, kind := range map[string]string{
		"/": "text/html", "/data": "application/json", "/page.css": "text/css", "/page.js": "text/javascript", "/page.html": "text/plain", "/else": "text/plain",
	} {
		w := ask(h, http.MethodGet, target)
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", target, policy)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers are %v", target, w.Header())
		}
		if !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || (w.Code == http.StatusNotFound) != (kind == "text/plain") {
			t.Errorf("%s: %d %s", target, w.Code, w.Header().Get("Content-Type"))
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions} {
			if w := ask(h, method, target); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodGet {
				t.Errorf("%s %s: %d", method, target, w.Code)
			}
		}
	}
}

func TestNothingGetsOutOfItsPlace(t *testing.T) {
	t.Parallel()
	h := handlerOf(&fake{service: service()}, nil)
	text := ask(h, http.MethodGet, "/").Body.String()
	if strings.Contains(text, "<script>alert") || strings.Contains(text, `"onload=`) || strings.Contains(text, `href="javascript:`) {
		t.Errorf("something is not escaped:\n%s", text)
	}
	if strings.Count(text, "<script") != 1 || strings.Contains(text, "<style") || strings.Contains(text, " style=") {
		t.Error("there are scripts or styles within the page, which its own policy forbids")
	}
	for _, target := range []string{"/", "/data"} {
		body := ask(h, http.MethodGet, target).Body.String()
		for _, secret := range []string{"hunter2", "environment-value", "run-command"} {
			if strings.Contains(body, secret) {
				t.Errorf("%s shows %s", target, secret)
			}
		}
	}
	for _, shown := range []string{"event 100", "what else was considered", "below target now", "looking for a place", "$2.50", "<td>71 retried, 3 lost</td>"} {
		if !strings.Contains(text, shown) {
			t.Errorf("the page does not show %q", shown)
		}
	}
	if strings.Contains(text, "event 60&lt;") {
		t.Error("the page shows more than the last events")
	}
}

func TestFiguresAreThoseOfNow(t *testing.T) {
	t.Parallel()
	var v view
	w := ask(handlerOf(&fake{service: service()}, nil), http.MethodGet, "/data")
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	// An hour after the last reckoning: half a dollar more, and a whole one saved.
	if v.Spent < 2.5 || v.Spent > 2.6 || v.Saved < 1 || v.Saved > 1.1 || v.BelowSeconds < 3600 || v.Interruptions[0].BelowSeconds < 3600 {
		t.Errorf("figures are %+v", v)
	}
	if v.Events[0].Seq != 100 || len(v.Events) != shownEvents || len(v.Places) != 1 || v.Places[0].Spot.Ready != 1 {
		t.Errorf("events or places are %+v, %+v", v.Events, v.Places)
	}
}

func TestAServiceThatCannotBeSeen(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int{serve.ErrNotFound: http.StatusNotFound, serve.ErrUnreachable: http.StatusBadGateway} {
		h := handlerOf(nil, fmt.Errorf("finding it: %w", err))
		if w := ask(h, http.MethodGet, "/"); w.Code != want || !strings.Contains(w.Body.String(), "<h1>web</h1>") || strings.Contains(w.Body.String(), "<table") {
			t.Errorf("%v: %d\n%s", err, w.Code, w.Body)
		}
	}
}

func TestChangesAreSent(t *testing.T) {
	t.Parallel()
	f := &fake{service: service(), changes: make(chan serve.Service)}
	server := httptest.NewServer(handlerOf(f, nil))
	t.Cleanup(server.Close)
	resp, err := http.Get(server.URL + "/live")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("it is %s", kind)
	}
	stream := bufio.NewScanner(resp.Body)
	next := func() string {
		var html strings.Builder
		for stream.Scan() && stream.Text() != "" {
			if data, ok := strings.CutPrefix(stream.Text(), "data: "); ok {
				html.WriteString(data + "\n")
			} else if !strings.HasPrefix(stream.Text(), "retry: ") {
				t.Errorf("a line without a meaning: %q", stream.Text())
			}
		}
		return html.String()
	}
	if first := next(); !strings.Contains(first, `<p class="state good">READY</p>`) || strings.Contains(first, "<script") {
		t.Errorf("first comes\n%s", first)
	}
	changed := service()
	changed.Status, changed.Message = serve.NoReplica, "All\nis lost"
	f.changes <- changed
	if second := next(); !strings.Contains(second, `<p class="state warn">NO_REPLICA</p>`) || !strings.Contains(second, "All\nis lost") {
		t.Errorf("then comes\n%s", second)
	}
	close(f.changes)
	if last := next(); !strings.Contains(last, "no such service") {
		t.Errorf("at the end comes\n%s", last)
	}
}

func TestOnlyThisMachineIsAnswered(t *testing.T) {
	t.Parallel()
	h := OnlyLoopback(handlerOf(&fake{service: service()}, nil))
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost": 200, "localhost:80": 200, "[::1]:80": 200, "[::1]": 200, "127.9.9.9": 200,
		"evil.example:8080": 403, "localhost.evil.example": 403, "192.0.2.1": 403, "": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/data", nil)
		r.Host = host
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%q: %d, want %d", host, w.Code, want)
		}
	}
}
