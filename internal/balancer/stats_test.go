// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestStatsTellWhatWasDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Settings: Settings{Keys: []string{digestOf("k")}}})
		m := memory{}
		m.serve(t, "replica:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(30 * time.Millisecond)
			if r.URL.Path == "/missing" {
				w.WriteHeader(http.StatusNotFound)
			}
		}))
		m.serve(t, "failing:80", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		b.SetDial(m.reach)
		ask := func(path, key string) int {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("X-API-Key", key)
			w := httptest.NewRecorder()
			b.ServeHTTP(w, r)
			return w.Code
		}
		ask("/", "wrong")
		ask("/", "k") // there is no backend
		b.SetHold(time.Minute)
		time.AfterFunc(2*time.Second, func() { b.SetBackends([]Backend{{ID: 1, Address: "replica:80"}}) })
		ask("/", "k") // waits
		ask("/missing", "k")
		// Round robin is not asked for: it is the turn of one and then of the other.
		b.SetBackends([]Backend{{ID: 2, Address: "failing:80"}, {ID: 1, Address: "replica:80"}})
		ask("/", "k")
		ask("/", "k")
		s := b.Stats()
		if want := [6]uint64{2: 3, 4: 2, 5: 1}; s.Answers != want {
			t.Errorf("answers are %v, want %v", s.Answers, want)
		}
		if s.Waited != 1 || s.Retries == 0 || s.Waiting != 0 || s.UnderWay != 0 {
			t.Errorf("got %+v, want one that has waited, some that were repeated, and none under way", s)
		}
		// Four were answered by a backend, three of them at once.
		within := map[time.Duration]uint64{10 * time.Millisecond: 0, 50 * time.Millisecond: 3, time.Second: 3, 2500 * time.Millisecond: 4, 2 * time.Minute: 4}
		for i, bound := range Bounds() {
			if want, ok := within[bound]; ok && s.Within[i] != want {
				t.Errorf("%d answers have begun within %v, want %d", s.Within[i], bound, want)
			}
		}
		if want := 2*time.Second + 4*30*time.Millisecond; s.Begun != 4 || s.Delay != want {
			t.Errorf("%d have begun, after %v together; want 4 after %v", s.Begun, s.Delay, want)
		}
	})
}

func TestADelayBeyondAllBoundsIsCounted(t *testing.T) {
	t.Parallel()
	b := New(Options{})
	bounds := Bounds()
	if len(bounds)+1 != len(b.counters.within) {
		t.Fatalf("there are %d bounds and %d counters", len(bounds), len(b.counters.within))
	}
	b.counters.begun(time.Hour, bounds)
	b.counters.begun(bounds[0], bounds)
	if s := b.Stats(); s.Begun != 2 || s.Within[0] != 1 || s.Within[len(bounds)-1] != 1 {
		t.Errorf("got %+v", s)
	}
}

// How long requests are under way together is known at every moment, those
// included that are not over, and those that wait.
func TestBusyGrowsWithWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		m := memory{}
		m.serve(t, "replica:80", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-time.After(10 * time.Second) }))
		b.SetDial(m.reach)
		b.SetHold(time.Minute)
		for range 3 {
			go get(b)
		}
		for _, step := range []struct{ wait, want time.Duration }{
			{0, 0}, {2 * time.Second, 6 * time.Second}, {3 * time.Second, 15 * time.Second},
		} {
			<-time.After(step.wait)
			synctest.Wait()
			if got := b.Busy(); got != step.want {
				t.Errorf("after %v more they have been under way for %v, want %v", step.wait, got, step.want)
			}
		}
		b.SetBackends([]Backend{{ID: 1, Address: "replica:80"}})
		<-time.After(time.Minute)
		synctest.Wait()
		if got, want := b.Busy(), 45*time.Second; got != want {
			t.Errorf("at the end they have been under way for %v, want %v", got, want)
		}
	})
}
