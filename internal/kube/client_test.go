// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// apply applies and expects it to be accepted.
func (p ground) apply(c *Client, spec serve.Spec, opt serve.ApplyOptions) serve.Service {
	p.Helper()
	service, err := c.Apply(p.waiting(), spec, opt)
	if err != nil {
		p.Fatalf("Apply: %v", err)
	}
	return service
}

// hidden lists the Secrets that Apply has made.
func (p ground) hidden() []corev1.Secret {
	p.Helper()
	list, err := p.typed.CoreV1().Secrets(p.config.Namespace).List(p.Context(), metav1.ListOptions{LabelSelector: labelComponent + "=" + componentSecrets})
	if err != nil {
		p.Fatal(err)
	}
	return list.Items
}

// generation tells how often the spec has been changed.
func (p ground) generation(name string) int64 {
	p.Helper()
	object, err := p.objects.Get(p.Context(), name, metav1.GetOptions{})
	if err != nil {
		p.Fatal(err)
	}
	return object.GetGeneration()
}

func TestApply(t *testing.T) {
	p := newPlace(t)
	l := p.lead()
	c := p.client("web")
	if _, err := c.Service(t.Context()); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Service before the first Apply: %v, want ErrNotFound", err)
	}
	spec := plain()
	spec.Secrets = map[string]string{"TOKEN": "hunter2"}
	first := p.apply(c, spec, serve.ApplyOptions{MustBeNew: true})
	if first.Revision != 1 || first.Status != serve.Ready || first.Spec.Secrets["TOKEN"] != "" {
		t.Errorf("Apply gave %+v", first)
	}
	all := l.until("the secret", func(all []serve.Declaration) bool { return len(all) == 1 })
	if !same(*all[0].Spec, spec) {
		t.Errorf("the declaration is %+v", all[0].Spec)
	}
	l.until("a generation that is taken in", func(all []serve.Declaration) bool { return all[0].Taken == all[0].Generation })
	if _, err := c.Apply(t.Context(), spec, serve.ApplyOptions{MustBeNew: true}); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("Apply of a new one that exists: %v, want ErrConflict", err)
	}

	// The same again changes nothing.
	generation, secrets := p.generation("web"), p.hidden()
	if again := p.apply(c, spec, serve.ApplyOptions{}); again.Revision != 1 {
		t.Errorf("the same spec made revision %d", again.Revision)
	}
	redacted := spec.Redacted()
	if again := p.apply(c, redacted, serve.ApplyOptions{KeepSecrets: true}); again.Revision != 1 {
		t.Errorf("the same spec with its secrets kept made revision %d", again.Revision)
	}
	if p.generation("web") != generation || len(p.hidden()) != 1 || p.hidden()[0].Name != secrets[0].Name {
		t.Errorf("something was written: %d Secrets", len(p.hidden()))
	}

	// Another spec keeps its Secret, and another secret gets another one.
	spec.Run = "another"
	if second := p.apply(c, spec, serve.ApplyOptions{}); second.Revision != 2 || second.Spec.Run != "another" {
		t.Errorf("Apply gave %+v", second)
	}
	if p.hidden()[0].Name != secrets[0].Name {
		t.Error("the secrets were written again")
	}
	spec.Secrets = map[string]string{"TOKEN": "hunter3"}
	p.apply(c, spec, serve.ApplyOptions{})
	if left := p.hidden(); len(left) != 1 || left[0].Name == secrets[0].Name {
		t.Errorf("%d Secrets are left", len(left))
	}
	l.until("the other secret", func(all []serve.Declaration) bool {
		return all[0].Spec != nil && all[0].Spec.Secrets["TOKEN"] == "hunter3"
	})
	spec.Secrets = nil
	p.apply(c, spec, serve.ApplyOptions{})
	if left := p.hidden(); len(left) != 0 {
		t.Errorf("%d Secrets are left where there is nothing secret", len(left))
	}
}

func TestApplyIsRefused(t *testing.T) {
	p := newPlace(t)
	l := p.lead()
	c := p.client("web")
	bad := plain()
	bad.ReplicaPolicy.MaxReplicas = 0
	var es serve.FieldErrors
	if _, err := c.Apply(t.Context(), bad, serve.ApplyOptions{}); !errors.As(err, &es) || es[0].Path != "replica_policy.max_replicas" {
		t.Errorf("Apply of what is not valid: %v", err)
	}
	if _, err := c.Service(t.Context()); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Service: %v, want ErrNotFound", err)
	}

	var mu sync.Mutex
	refusal := serve.Report{Refused: "the bundle was not uploaded: invalid"}
	refuse := func(r serve.Report) {
		mu.Lock()
		defer mu.Unlock()
		refusal = r
	}
	l.refuse = func(serve.Spec) serve.Report {
		mu.Lock()
		defer mu.Unlock()
		return refusal
	}
	spec := plain()
	if _, err := c.Apply(p.waiting(), spec, serve.ApplyOptions{MustBeNew: true}); !errors.Is(err, serve.ErrInvalid) || err.Error() != "the bundle was not uploaded: invalid" {
		t.Errorf("Apply: %v, want what the controller says", err)
	}
	refuse(serve.Report{Refused: "x", Errors: serve.FieldErrors{{Path: "run", Message: "No."}}})
	if _, err := c.Apply(p.waiting(), spec, serve.ApplyOptions{MustBeNew: true}); !errors.As(err, &es) || es[0].Path != "run" {
		t.Errorf("Apply: %v, want the controller's errors", err)
	}
	// Nothing came of it, so that it is new yet; and the same is judged again.
	refuse(serve.Report{})
	if got := p.apply(c, spec, serve.ApplyOptions{MustBeNew: true}); got.Revision != 1 {
		t.Errorf("Apply gave %+v", got)
	}
	refuse(serve.Report{Refused: "it is busy: conflict"})
	spec.Run = "another"
	if _, err := c.Apply(p.waiting(), spec, serve.ApplyOptions{}); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("Apply: %v, want ErrConflict", err)
	}
	if got, err := c.Service(t.Context()); err != nil || got.Revision != 1 {
		t.Errorf("Service: %+v, %v", got, err)
	}
}

func TestOneOfTwoMakesIt(t *testing.T) {
	p := newPlace(t)
	p.lead()
	const makers = 4
	errs := make([]error, makers)
	var wg sync.WaitGroup
	ctx := p.waiting()
	for i := range makers {
		c := p.client("web")
		spec := plain()
		spec.Secrets = map[string]string{"TOKEN": strings.Repeat("x", i+1)}
		wg.Go(func() { _, errs[i] = c.Apply(ctx, spec, serve.ApplyOptions{MustBeNew: true}) })
	}
	wg.Wait()
	winner := slices.Index(errs, nil)
	if winner < 0 {
		t.Fatalf("nobody won: %v", errs)
	}
	for i, err := range errs {
		if i != winner && !errors.Is(err, serve.ErrConflict) {
			t.Errorf("maker %d: %v, want ErrConflict as %d has won", i, err, winner)
		}
	}
	if left := p.hidden(); len(left) != 1 {
		t.Errorf("%d Secrets are left", len(left))
	}
}

func TestWatchUntilItIsGone(t *testing.T) {
	p := newPlace(t)
	p.lead()
	c := p.client("web")
	if err := c.Delete(t.Context()); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Delete before Apply: %v, want ErrNotFound", err)
	}
	spec := plain()
	p.apply(c, spec, serve.ApplyOptions{})
	var seen []serve.Service
	err := c.Watch(p.waiting(), func(s serve.Service) bool {
		seen = append(seen, s)
		switch len(seen) {
		case 1:
			spec.Run = "another"
			go c.Apply(t.Context(), spec, serve.ApplyOptions{})
		case 2:
			if err := c.Delete(t.Context()); err != nil {
				t.Errorf("Delete: %v", err)
			}
		}
		return true
	})
	if !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Watch: %v, want ErrNotFound", err)
	}
	if len(seen) < 3 || seen[0].Revision != 1 || seen[1].Revision != 2 || seen[len(seen)-1].Status != serve.ShuttingDown {
		t.Errorf("Watch told %+v", seen)
	}
	if _, err := c.Service(t.Context()); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Service after Delete: %v, want ErrNotFound", err)
	}
}

func TestTerminateReplica(t *testing.T) {
	p := newPlace(t)
	l := p.lead()
	c := p.client("web")
	p.apply(c, plain(), serve.ApplyOptions{})
	for _, row := range []struct {
		id    int64
		purge bool
		want  error
	}{
		{1, false, nil},
		{2, false, serve.ErrNotFound},
		{100, false, serve.ErrConflict},
		{100, true, nil},
		{101, false, serve.ErrConflict},
	} {
		if err := c.TerminateReplica(p.waiting(), row.id, row.purge); !errors.Is(err, row.want) {
			t.Errorf("TerminateReplica(%d, %v): %v, want %v", row.id, row.purge, err, row.want)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Sort(l.ended); !slices.Equal(slices.Compact(l.ended), []int64{1, 100}) {
		t.Errorf("the ends of %v were asked for", l.ended)
	}
}

func TestNobodyThere(t *testing.T) {
	p := newPlace(t)
	p.lead()
	p.apply(p.client("web"), plain(), serve.ApplyOptions{})
	c, err := NewClient(ClientOptions{Config: p.config, Service: "web"})
	if err != nil {
		t.Fatal(err)
	}
	_, serviceErr := c.Service(t.Context())
	_, applyErr := c.Apply(t.Context(), plain(), serve.ApplyOptions{})
	for what, err := range map[string]error{
		"Service": serviceErr, "Apply": applyErr, "Delete": c.Delete(t.Context()),
		"Watch":            c.Watch(t.Context(), func(serve.Service) bool { return true }),
		"TerminateReplica": c.TerminateReplica(t.Context(), 1, false),
	} {
		if !errors.Is(err, serve.ErrUnreachable) {
			t.Errorf("%s without a controller: %v, want ErrUnreachable", what, err)
		}
	}
	pod, err := p.typed.CoreV1().Pods(p.config.Namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "controller", Labels: map[string]string{labelManager: manager, labelComponent: componentController}},
		Spec:       corev1.PodSpec{NodeName: "none", Containers: []corev1.Container{{Name: "c", Image: "none"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if _, err := p.typed.CoreV1().Pods(p.config.Namespace).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Service(t.Context()); err != nil {
		t.Errorf("Service with a controller: %v", err)
	}
	// There is no node to end it.
	now := int64(0)
	if err := p.typed.CoreV1().Pods(p.config.Namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Error(err)
	}
}

func TestEventsAreFollowed(t *testing.T) {
	p := newPlace(t)
	store := p.store(p.config)
	state := servetest.Save(p, store, serve.State{}, 300)
	state = servetest.Save(p, store, state, 300)
	c := p.client("web")
	var last int64
	tell := func(until int64) func(serve.Event) bool {
		return func(e serve.Event) bool {
			if e.Seq != last+1 {
				t.Errorf("event %d comes after event %d", e.Seq, last)
			}
			last = e.Seq
			return last < until
		}
	}
	if err := c.Events(t.Context(), 0, false, tell(1000)); err != nil || last != 600 {
		t.Fatalf("Events: %v, the last is %d", err, last)
	}
	last = 590
	err := c.Events(p.waiting(), 590, true, func(e serve.Event) bool {
		if e.Seq == 600 {
			state = servetest.Save(p, store, state, 7)
		}
		return tell(607)(e)
	})
	if err != nil || last != 607 {
		t.Errorf("Events: %v, the last is %d", err, last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Events(ctx, 607, true, tell(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("Events: %v, want context.Canceled", err)
	}
}

func TestLogs(t *testing.T) {
	p := newPlace(t)
	p.lead()
	c := p.client("web")
	if _, err := c.Logs(t.Context(), 1, serve.LogOptions{}); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Logs before Apply: %v, want ErrNotFound", err)
	}
	service := p.apply(c, plain(), serve.ApplyOptions{})
	log, err := c.Logs(t.Context(), 7, serve.LogOptions{Tail: 3})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(log)
	if want := "{web " + service.UID + " 7} {false 3}"; err != nil || string(got) != want {
		t.Errorf("the log of %q was asked for (%v), want %q", got, err, want)
	}
	if _, err := c.Logs(t.Context(), 0, serve.LogOptions{}); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Logs of no leader: %v, want ErrNotFound", err)
	}
	holder := "serve-controller-1"
	_, err = p.typed.CoordinationV1().Leases(p.config.Namespace).Create(t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: leaseName}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Logs(t.Context(), 0, serve.LogOptions{}); !errors.Is(err, serve.ErrNotFound) || !strings.Contains(err.Error(), holder) {
		t.Errorf("Logs of a leader without a pod: %v, want ErrNotFound", err)
	}
}

func TestALostAnswerToApplyIsNoConflict(t *testing.T) {
	p := newPlace(t)
	p.lead()
	lost := map[string]bool{}
	var mu sync.Mutex
	r := &relay{}
	c := p.client("web")
	var err error
	if c.c, err = connect(p.relayed(r)); err != nil {
		t.Fatal(err)
	}
	r.after = func(req *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		ours := strings.Contains(req.URL.Path, resource) && !lost[req.Method] && (req.Method == "POST" || req.Method == "PUT")
		lost[req.Method] = lost[req.Method] || ours
		return ours
	}
	spec := plain()
	p.apply(c, spec, serve.ApplyOptions{MustBeNew: true})
	spec.Run = "another"
	if got := p.apply(c, spec, serve.ApplyOptions{}); got.Revision != 2 {
		t.Errorf("Apply gave %+v", got)
	}
	if mu.Lock(); !lost["POST"] || !lost["PUT"] {
		t.Errorf("lost were only %v", lost)
	}
	mu.Unlock()
}
