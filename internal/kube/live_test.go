// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// live is a launch on a real cluster.
type live struct {
	*rig
	cloud *Cloud
	req   serve.LaunchRequest
}

// newLive prepares a launch on the offer of the market.
func newLive(t *testing.T, r *rig, c *Cloud, res serve.Resource, m serve.Market) live {
	t.Helper()
	offers, err := c.Offers(t.Context(), res)
	if err != nil {
		t.Fatalf("Offers: %v", err)
	}
	for _, o := range offers {
		if o.Market == m {
			return live{r, c, serve.LaunchRequest{
				Ref: serve.Ref{Service: "web", UID: "5f3c", Replica: 1}, Revision: 1, Offer: o, Resource: res, Port: 8080,
				Task: serve.Task{Run: "exec sleep 3600"},
			}}
		}
	}
	t.Fatalf("no %s offer among %+v", m, offers)
	return live{}
}

func (l live) launch(t *testing.T) serve.Instance {
	t.Helper()
	after(t, func(ctx context.Context) error { return l.cloud.Terminate(ctx, l.req.Ref) })
	i, err := l.cloud.Launch(t.Context(), l.req)
	if err != nil {
		t.Fatalf("Launch: %v", err)
	}
	return i
}

// fails launches in vain, and checks that nothing is left.
func (l live) fails(t *testing.T, want error, words string) {
	t.Helper()
	after(t, func(ctx context.Context) error { return l.cloud.Terminate(ctx, l.req.Ref) })
	_, err := l.cloud.Launch(t.Context(), l.req)
	if !errors.Is(err, want) || !strings.Contains(err.Error(), words) {
		t.Errorf("Launch = %v, want %v with %q", err, want, words)
	}
	if list, err := l.cloud.List(t.Context(), l.req.Ref.Service); err != nil || len(list) > 0 {
		t.Errorf("List = %+v, %v; want nothing", list, err)
	}
}

// watch gives the notices of the service.
func (l live) watch(t *testing.T) <-chan serve.Notice {
	ctx, cancel := context.WithCancel(t.Context())
	notices := make(chan serve.Notice, 100)
	done := make(chan error, 1)
	go func() { done <- l.cloud.Notices(ctx, l.req.Ref.Service, func(n serve.Notice) { notices <- n }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Notices = %v, want the context's error", err)
		}
	})
	return notices
}

func await(t *testing.T, notices <-chan serve.Notice, kind serve.NoticeKind, words string) serve.Notice {
	t.Helper()
	for {
		select {
		case n := <-notices:
			if n.Kind == serve.NoticeCapacity && kind != n.Kind {
				continue
			}
			if n.Kind != kind || !strings.Contains(n.Detail, words) {
				t.Fatalf("got the notice %+v, want one of %s with %q", n, kind, words)
			}
			return n
		case <-time.After(time.Minute):
			t.Fatalf("no notice of %s has come", kind)
		}
	}
}

// onSimulated is a pod on a simulated node.
func onSimulated(t *testing.T) (l live, node string) {
	r := newRig(t)
	node = r.simulate(t, "od")
	l = newLive(t, r, r.cloud(t), r.tolerant(), serve.OnDemand)
	l.launch(t)
	return l, node
}

func TestATaintThatDrivesPodsAwayIsAnInterruptionAndThenALoss(t *testing.T) {
	t.Parallel()
	l, node := onSimulated(t)
	notices := l.watch(t)
	l.taint(t, node, corev1.Taint{Key: "example.com/reclaim", Value: "soon", Effect: corev1.TaintEffectNoExecute})
	// Which is seen first, the taint or what it does, is open.
	n := await(t, notices, serve.NoticeInterruption, "")
	if n.Ref != l.req.Ref || time.Until(n.Deadline) > time.Minute {
		t.Errorf("got %+v, want a deadline within a minute for %+v", n, l.req.Ref)
	}
	await(t, notices, serve.NoticeGone, "")
}

func TestAnAdvanceNoticeOfTheNodeIsAnInterruption(t *testing.T) {
	t.Parallel()
	l, node := onSimulated(t)
	notices := l.watch(t)
	l.taint(t, node, corev1.Taint{Key: "aws-node-termination-handler/spot-itn", Value: "x", Effect: corev1.TaintEffectNoSchedule})
	n := await(t, notices, serve.NoticeInterruption, "aws-node-termination-handler/spot-itn")
	if d := time.Until(n.Deadline); d < 10*time.Second || d > shortNotice {
		t.Errorf("the deadline is in %v, want about %v", d, shortNotice)
	}
}

func TestADeletedNodeIsALoss(t *testing.T) {
	t.Parallel()
	l, node := onSimulated(t)
	notices := l.watch(t)
	if err := l.client.CoreV1().Nodes().Delete(t.Context(), node, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, notices, serve.NoticeGone, node)
	list, err := l.cloud.List(t.Context(), "web")
	if err != nil || len(list) != 1 || list[0].Running {
		t.Errorf("List = %+v, %v; want one machine that does not run", list, err)
	}
	began := time.Now()
	if err := l.cloud.Terminate(t.Context(), l.req.Ref); err != nil || time.Since(began) > 20*time.Second {
		t.Errorf("Terminate = %v after %v; want the end of what has no node at once", err, time.Since(began))
	}
}

func TestACordonedNodeOpensAgain(t *testing.T) {
	t.Parallel()
	l, node := onSimulated(t)
	notices := l.watch(t)
	l.cordon(t, node, true)
	second := l
	second.req.Ref.Replica = 2
	_, err := l.cloud.Launch(t.Context(), second.req)
	if !errors.Is(err, serve.ErrCapacity) || !strings.Contains(err.Error(), "nodes are available") {
		t.Errorf("Launch on a cordoned node = %v, want ErrCapacity in the scheduler's words", err)
	}
	l.cordon(t, node, false)
	n := await(t, notices, serve.NoticeCapacity, node)
	if n.Market != serve.OnDemand || n.Location != l.req.Offer.Location {
		t.Errorf("got %+v, want on-demand capacity in %v", n, l.req.Offer.Location)
	}
}

func TestAnEvictionIsAnInterruptionAndThenALoss(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := newLive(t, r, r.cloud(t), r.resource(), serve.Spot)
	// It takes its time to end, so that there is something to see before the loss.
	l.req.Task.Run = "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done"
	l.launch(t)
	notices := l.watch(t)
	err := r.client.PolicyV1().Evictions(r.namespace).Evict(t.Context(), &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: podName(l.req.Ref)},
	})
	if err != nil {
		t.Fatalf("evicting: %v", err)
	}
	n := await(t, notices, serve.NoticeInterruption, "EvictionByEvictionAPI")
	if d := time.Until(n.Deadline); d < 10*time.Second || d > 40*time.Second {
		t.Errorf("the deadline is in %v, want the pod's grace", d)
	}
	await(t, notices, serve.NoticeGone, "")
}

func TestCopiesOfACloudWorkOnOnePod(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := newLive(t, r, r.cloud(t), r.resource(), serve.Spot)
	one.req.Task.Secrets = map[string]string{"TOKEN": "x"}
	two := one
	two.cloud = r.cloud(t)
	after(t, func(ctx context.Context) error { return one.cloud.Terminate(ctx, one.req.Ref) })
	var got [2]serve.Instance
	var errs [2]error
	var both sync.WaitGroup
	for i, l := range []live{one, two} {
		both.Go(func() { got[i], errs[i] = l.cloud.Launch(t.Context(), l.req) })
	}
	both.Wait()
	if err := errors.Join(errs[:]...); err != nil || got[0] != got[1] {
		t.Fatalf("Launch = %+v and %+v, %v; want the same twice", got[0], got[1], err)
	}
	other := one
	other.req.Ref.Replica = 2
	other.launch(t)
	notices := one.watch(t)
	if err := two.cloud.Terminate(t.Context(), two.req.Ref); err != nil {
		t.Fatalf("Terminate: %v", err)
	}
	r.kill(t, other.req.Ref)
	if n := await(t, notices, serve.NoticeGone, ""); n.Ref != other.req.Ref {
		t.Errorf("got %+v, which another copy has terminated", n)
	}
}

func TestWhatCannotBeLaunchedSaysWhyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.cloud(t)
	base := newLive(t, r, c, r.resource(), serve.Spot)
	secrets := map[string]string{"TOKEN": "x"}

	t.Run("more than a node has left is no capacity, in the scheduler's words", func(t *testing.T) {
		node := r.simulate(t, "full")
		_, err := r.client.CoreV1().Pods(r.namespace).Create(t.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "somebody-else"},
			Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "x", Image: "x", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{"cpu": quantity.MustParse("20")},
			}}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		res := r.tolerant()
		res.CPUs = "20"
		l := newLive(t, r, c, res, serve.OnDemand)
		l.req.Task.Secrets = secrets
		l.fails(t, serve.ErrCapacity, "Insufficient cpu")
	})
	t.Run("an image that has no name is invalid", func(t *testing.T) {
		l := base
		l.req.Resource.ImageID = "docker:UPPER//case"
		l.fails(t, serve.ErrInvalid, "image")
	})
	t.Run("a label that cannot be is invalid", func(t *testing.T) {
		l := base
		l.req.Resource.Labels = map[string]string{"not a label": "x"}
		l.fails(t, serve.ErrInvalid, "not a label")
	})
	t.Run("a quota that is used up is a quota", func(t *testing.T) {
		_, err := r.client.CoreV1().ResourceQuotas(r.namespace).Create(t.Context(), &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Name: "none"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": quantity.MustParse("0")}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		l := base
		l.req.Task.Secrets = secrets
		l.fails(t, serve.ErrQuota, "exceeded quota")
		if err := r.client.CoreV1().ResourceQuotas(r.namespace).Delete(t.Context(), "none", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("who may not make pods is told what he may not", func(t *testing.T) {
		c := r.cloud(t)
		s, err := c.cluster.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		config, _, err := r.config.rest()
		if err != nil {
			t.Fatal(err)
		}
		config.Impersonate = rest.ImpersonationConfig{UserName: "nobody"}
		s.typed = clientOf(t, config)
		if _, err := c.Offers(t.Context(), r.resource()); !errors.Is(err, serve.ErrUnauthorized) || !strings.Contains(err.Error(), `cannot list resource`) {
			t.Errorf("Offers = %v, want ErrUnauthorized that names the right", err)
		}
		if err := c.Notices(t.Context(), "web", nil); !errors.Is(err, serve.ErrUnauthorized) {
			t.Errorf("Notices = %v, want ErrUnauthorized", err)
		}
	})
}

// packed is a bundle of the path.
func packed(t *testing.T, path string) (digest string, content []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := bundle.Pack(&b, path); err != nil {
		t.Fatal(err)
	}
	digest, err := bundle.Digest(path)
	if err != nil {
		t.Fatal(err)
	}
	return digest, b.Bytes()
}

func TestAPodGetsItsFilesItsSetupAndItsSecrets(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := newLive(t, r, r.cloud(t), r.resource(), serve.Spot)
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("work/www/a.txt", "from the working directory", 0o644)
	write("work/run.sh", "#!/bin/sh\nexec httpd -f -p $HOST:$PORT -h www\n", 0o755)
	// Large enough for several pieces.
	write("work/large", strings.Repeat("0123456789abcdef", 160<<10), 0o644)
	work, workContent := packed(t, filepath.Join(dir, "work"))
	file, fileContent := packed(t, write("one.sh", "#!/bin/sh\necho from the mounted file\n", 0o755))
	contents := map[string][]byte{work: workContent, file: fileContent}
	opened := 0
	l.req.Bundle = func(digest string) (io.ReadCloser, error) {
		opened++
		return io.NopCloser(bytes.NewReader(contents[digest])), nil
	}
	l.req.Task = serve.Task{
		Workdir:    work,
		FileMounts: map[string]string{"~/bin/one": file, "/data/two": file, "three": work},
		Envs:       map[string]string{"PRICE": "$(HOST) costs $$5", "TOKEN": "shown"},
		Secrets:    map[string]string{"TOKEN": "a $(secret)\nof two lines"},
		Setup: `~/bin/one >www/b.txt; /data/two >>www/b.txt; cmp large three/large && echo same >>www/b.txt
			printf '%s|%s|%s|%s|%s' "$PRICE" "$TOKEN" "$SKYPILOT_SERVE_REPLICA_ID" "$SERVE_REPLICA_ID" "$SERVE_SERVICE" >www/c.txt; test $$ -gt 1 && pwd >www/d.txt`,
		Run: "exec ./run.sh",
	}
	i := l.launch(t)
	for path, want := range map[string]string{
		"a.txt": "from the working directory",
		"b.txt": "from the mounted file\nfrom the mounted file\nsame\n",
		"c.txt": "$(HOST) costs $$5|a $(secret)\nof two lines|1|1|web",
		"d.txt": workDir + "\n",
	} {
		if got := fetch(t, "http://"+i.Address+"/"+path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if opened != 2 {
		t.Errorf("bundles were asked for %d times, want once each", opened)
	}
	p, err := r.client.CoreV1().Pods(r.namespace).Get(t.Context(), podName(l.req.Ref), metav1.GetOptions{})
	if err != nil || strings.Contains(p.String(), "of two lines") {
		t.Errorf("the pod shows the secret (or %v)", err)
	}

	// The bundles stay while a pod needs them, and no longer.
	second := l
	second.req.Ref.Replica = 2
	second.launch(t)
	if opened != 2 {
		t.Errorf("a second pod asked for bundles again: %d times", opened)
	}
	if err := l.cloud.Terminate(t.Context(), l.req.Ref); err != nil {
		t.Fatal(err)
	}
	if found := r.secrets(t); len(found) == 0 {
		t.Error("the bundles went with the first pod")
	}
	if err := l.cloud.Terminate(t.Context(), second.req.Ref); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		found := r.secrets(t)
		if len(found) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Secrets are left: %v", found)
		}
	}
}

// secrets lists the Secrets of the namespace.
func (r *rig) secrets(t *testing.T) []string {
	t.Helper()
	list, err := r.client.CoreV1().Secrets(r.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range list.Items {
		names = append(names, s.Name)
	}
	return names
}

// fetch asks until the server is up.
func fetch(t *testing.T, url string) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		res, err := http.Get(url)
		if err == nil {
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(body)
		}
		if time.Now().After(deadline) {
			t.Fatalf("fetching %s: %v", url, err)
		}
	}
}

func TestBundlesStayForTheirOwners(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 2<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	digest, content := packed(t, path)
	of := func(name string) *Bundles {
		cm, err := r.client.CoreV1().ConfigMaps(r.namespace).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return NewBundles(BundlesOptions{Config: r.config, Namespace: r.namespace, Owner: Owner{"v1", "ConfigMap", name, string(cm.UID)}})
	}
	one, two := of("one"), of("two")
	has := func(b *Bundles, want bool) {
		t.Helper()
		if got, err := b.Has(digest); err != nil || got != want {
			t.Errorf("Has = %v, %v; want %v", got, err, want)
		}
	}
	has(one, false)
	if err := one.Put(digest, strings.NewReader("something else")); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("Put of something else = %v, want ErrInvalid", err)
	}
	if err := one.Put(digest, io.LimitReader(endless{}, maxBundle+1)); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("Put of too much = %v, want ErrInvalid", err)
	}
	if _, err := one.Open(digest); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Open of nothing = %v, want ErrNotFound", err)
	}
	for range 2 {
		if err := one.Put(digest, bytes.NewReader(content)); err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
	has(two, true)
	f, err := two.Open(digest)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
		t.Errorf("Open gives %d bytes, %v; want the %d that were put", len(got), err, len(content))
	}
	if err := errors.Join(one.Keep(digest), one.Keep()); err != nil {
		t.Fatalf("Keep: %v", err)
	}
	has(two, true)
	if err := two.Keep(); err != nil {
		t.Fatalf("Keep: %v", err)
	}
	has(one, false)
}

// endless never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
