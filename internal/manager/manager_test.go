// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package manager

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func TestAllCopiesTakeRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.start(0), r.start(0)
	r.directory.declare(spec("web", 2))
	r.directory.declare(spec("other", 1))
	web := r.directory.await(t, "web", "two replicas", ready(2))
	r.directory.await(t, "other", "one replica", ready(1))
	if want := "http://web.example:"; !strings.HasPrefix(web.Service.Endpoint, want) {
		t.Errorf("the endpoint is %q, want %s…", web.Service.Endpoint, want)
	}
	for _, copied := range []*replica{one, two} {
		for _, port := range []int{r.first, r.first + 1} {
			eventually(t, "an answer at "+copied.host, func() bool {
				status, _ := copied.get(port)
				return status == http.StatusOK
			})
		}
		if !copied.Ready() {
			t.Errorf("the copy at %s is not ready", copied.host)
		}
	}
	// What arrives at the one that follows counts for the one that decides.
	leads, follows := one, two
	if two.reign() != nil {
		leads, follows = two, one
	}
	for range 20 {
		follows.get(r.port("web"))
	}
	eventually(t, "as many requests at the one as at the other", func() bool {
		led, followed := leads.front(r.uid("web")), follows.front(r.uid("web"))
		n := led.Requests(time.Now())
		return n > 20 && n == followed.Requests(time.Now())
	})
}

func (r *rig) uid(name string) string {
	r.directory.mu.Lock()
	defer r.directory.mu.Unlock()
	return r.directory.all[name].UID
}

func (r *rig) port(name string) int {
	r.directory.mu.Lock()
	defer r.directory.mu.Unlock()
	return r.directory.all[name].Port
}

func TestAnotherCopyTakesOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.start(0)
	r.directory.declare(spec("web", 2))
	r.directory.await(t, "web", "two replicas", ready(2))
	two := r.start(0)
	eventually(t, "the second copy to be ready", two.Ready)
	launches := r.cloud.Calls()

	failed := make(chan string, 1000)
	ctx, enough := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if status, body := two.get(r.first); status != http.StatusOK {
				failed <- body
			}
		}
	}()
	one.stop()
	eventually(t, "the second copy to lead", func() bool { return two.reign() != nil })
	s := spec("web", 3)
	r.directory.declare(s)
	report := r.directory.await(t, "web", "three replicas", ready(3))
	enough()
	<-done
	close(failed)
	for why := range failed {
		t.Errorf("a request failed: %s", why)
	}
	if report.Service.Revision != 2 || report.Generation != 2 {
		t.Errorf("it is revision %d of generation %d", report.Service.Revision, report.Generation)
	}
	after := r.cloud.Calls()
	if n := count(after, "launch") - count(launches, "launch"); n != 1 {
		t.Errorf("%d launches for one more replica", n)
	}
	if n := count(after, "terminate"); n != 0 {
		t.Errorf("%d machines were ended", n)
	}
}

func count(calls []string, operation string) int {
	n := 0
	for _, c := range calls {
		if strings.HasPrefix(c, operation+" ") {
			n++
		}
	}
	return n
}

func TestAReplicaIsDrainedAtEveryCopy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	release := make(chan struct{})
	r.cloud.OnRequest(func(serve.Ref) { <-release })
	one := r.start(0)
	r.directory.declare(spec("web", 1))
	r.directory.await(t, "web", "a replica", ready(1))
	two := r.start(0)
	eventually(t, "the second copy to be ready", two.Ready)
	if one.reign() == nil {
		t.Fatal("the first copy does not lead")
	}
	answered := make(chan int)
	go func() {
		status, _ := two.get(r.first)
		answered <- status
	}()
	eventually(t, "a request under way at the follower", func() bool { return two.front(r.uid("web")).InFlight(1) == 1 })
	err := r.directory.change("web", func(d *serve.Declaration) { d.End = map[int64]bool{1: false} })
	if err != nil {
		t.Fatal(err)
	}
	r.directory.await(t, "web", "the end of replica 1", func(rep serve.Report) bool {
		return rep.Service != nil && rep.Service.Replicas[0].Teardown == serve.TeardownScheduled
	})
	// Its successor may serve for as long as it likes; the machine stays.
	r.directory.await(t, "web", "another replica", func(rep serve.Report) bool { return rep.Service.Counts.Ready == 1 })
	eventually(t, "word of it from the follower", func() bool {
		one.hub.mu.Lock()
		defer one.hub.mu.Unlock()
		for f := range one.hub.followers {
			return slices.Contains(f.states[r.uid("web")].Busy, 1)
		}
		return false
	})
	if n := count(r.cloud.Calls(), "terminate"); n != 0 {
		t.Fatalf("its machine was ended under a request")
	}
	close(release)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the request was answered %d", status)
	}
	eventually(t, "the end of its machine", func() bool { return count(r.cloud.Calls(), "terminate") == 1 })
}

func TestADeletedServiceIsReleased(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(0)
	r.directory.declare(spec("web", 2))
	r.directory.await(t, "web", "two replicas", ready(2))
	if err := r.directory.change("web", func(d *serve.Declaration) { d.Deleting = true }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its release", func() bool { return r.uid("web") == "" })
	if list, err := r.cloud.List(t.Context(), "web"); err != nil || len(list) > 0 {
		t.Errorf("left are %v, %v", list, err)
	}
	// And again under the same name.
	r.directory.declare(spec("web", 1))
	r.directory.await(t, "web", "one replica", ready(1))
}

func TestWhatIsRefusedIsSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(0)
	bad := spec("web", 1)
	bad.ReplicaPolicy.MinReplicas = 2
	r.directory.declare(bad)
	report := r.directory.await(t, "web", "a refusal", func(rep serve.Report) bool { return rep.Refused != "" })
	if len(report.Errors) == 0 || report.Service != nil {
		t.Errorf("the report is %+v", report)
	}
	r.directory.declare(spec("web", 1))
	report = r.directory.await(t, "web", "a replica", ready(1))
	if report.Refused != "" || report.Generation != 2 {
		t.Errorf("the report is %+v", report)
	}
}

// A change that asks for nothing else does not bring back what was given up.
func TestWhatWasGivenUpDoesNotComeBackByItself(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(0)
	r.cloud.OnProbe(func(ref serve.Ref) bool { return ref.Replica == 1 })
	r.directory.declare(spec("web", 1))
	r.directory.await(t, "web", "one replica", ready(1))
	bad := spec("web", 1)
	bad.Run, bad.Rollback.MaxFailures, bad.ReadinessProbe.InitialDelaySeconds = "serve worse", 1, 0.1
	r.directory.declare(bad)
	given := r.directory.await(t, "web", "a rollback", func(rep serve.Report) bool { return rep.Service != nil && rep.Service.RolledBack != nil })
	r.directory.touch("web")
	report := r.directory.await(t, "web", "the change is seen", func(rep serve.Report) bool { return rep.Generation == 3 })
	if report.Service.RolledBack == nil || report.Service.Revision != given.Service.Revision {
		t.Errorf("revision %d has become %d, given up: %v", given.Service.Revision, report.Service.Revision, report.Service.RolledBack)
	}
	// Asked for by name it is tried again.
	bad.Run = "serve best"
	r.cloud.OnProbe(func(serve.Ref) bool { return true })
	r.directory.declare(bad)
	r.directory.await(t, "web", "the new revision", func(rep serve.Report) bool {
		return rep.Service.Revision > given.Service.Revision && ready(1)(rep)
	})
}

// When one revision takes over from another at once, who has seen the new one does
// not see the old one again, whichever copies it asks.
func TestARevisionTakesOverAtAllCopiesAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	copies := []*replica{r.start(0), r.start(0)}
	s := spec("web", 2)
	s.UpdateMode = serve.BlueGreen
	r.directory.declare(s)
	r.directory.await(t, "web", "two replicas", ready(2))
	for _, c := range copies {
		eventually(t, "a copy to answer", func() bool {
			status, _ := c.get(r.first)
			return status == http.StatusOK
		})
	}
	revision := int64(1)
	for last := int64(2); revision < 6; last += 2 {
		var taken atomic.Bool // an answer of the new revision has been seen
		ctx, enough := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for i := range 6 {
			clients.Go(func() {
				for n := i; ctx.Err() == nil; n++ {
					before := taken.Load()
					status, body := copies[n%2].get(r.first)
					id, err := strconv.ParseInt(strings.TrimSpace(body), 10, 64)
					switch {
					case status != http.StatusOK || err != nil:
						t.Errorf("a request is answered %d %q", status, body)
					case id > last:
						taken.Store(true)
					case before:
						t.Errorf("replica %d has answered after a newer one", id)
					}
				}
			})
		}
		revision++
		s.Run = fmt.Sprint("serve ", revision)
		r.directory.declare(s)
		r.directory.await(t, "web", "the new revision alone", func(rep serve.Report) bool {
			return slices.Equal(rep.Service.ActiveRevisions, []int64{revision}) && ready(2)(rep)
		})
		eventually(t, "the new revision to answer", taken.Load)
		enough()
		clients.Wait()
	}
}

// What is under way at a follower counts for the one who decides.
func TestWhatIsUnderWayElsewhereCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	release := make(chan struct{})
	r.cloud.OnRequest(func(serve.Ref) { <-release })
	one := r.start(0)
	r.directory.declare(spec("web", 1))
	r.directory.await(t, "web", "a replica", ready(1))
	two := r.start(0)
	eventually(t, "the second copy to be ready", two.Ready)
	uid := r.uid("web")
	busy := func() time.Duration {
		one.hub.mu.Lock()
		s := one.hub.shared[uid]
		one.hub.mu.Unlock()
		return s.Busy()
	}
	before := busy()
	answered := make(chan int)
	go func() {
		status, _ := two.get(r.first)
		answered <- status
	}()
	eventually(t, "a request at the follower to be told of twice", func() bool { return busy()-before > pulse })
	if n := one.front(uid).Busy(); n != 0 {
		t.Errorf("at the leader itself requests were under way for %v", n)
	}
	close(release)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the request was answered %d", status)
	}
}

func TestWhatARequestElsewhereHasCostCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	arrived, release := make(chan serve.Ref, 1), make(chan struct{})
	one := r.start(0)
	r.directory.declare(spec("web", 2))
	r.directory.await(t, "web", "two replicas", ready(2))
	two := r.start(0)
	eventually(t, "the second copy to be ready", two.Ready)
	if one.reign() == nil {
		t.Fatal("the first copy does not lead")
	}
	defer close(release)
	r.cloud.OnRequest(func(ref serve.Ref) {
		arrived <- ref
		<-release
	})
	answered := make(chan int)
	go func() {
		status, _ := two.get(r.first)
		answered <- status
	}()
	lost := <-arrived
	r.cloud.OnRequest(nil)
	r.cloud.Tell(serve.Notice{Kind: serve.NoticeGone, Ref: lost})
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the request was answered %d", status)
	}
	r.directory.await(t, "web", "what it has cost", func(rep serve.Report) bool {
		all := rep.Service.Ledger.Interruptions
		return len(all) == 1 && all[0].Replica == lost.Replica && all[0].RequestsRetried == 1 && all[0].RequestsLost == 0
	})
}

func TestAllCopiesHaveTheirCertificatesIssued(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	asked := make(chan string, 10)
	r.certify = func(_ context.Context, name, uid string, how serve.ACME) (*tls.Config, error) {
		asked <- fmt.Sprint(name, " ", uid, " ", how.Domains)
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	one := r.start(0)
	s := spec("web", 1)
	s.TLS = &serve.TLS{ACME: &serve.ACME{Domains: []string{"web.example.com"}, AgreeToTerms: true}}
	r.directory.declare(s)
	r.directory.await(t, "web", "a replica", ready(1))
	two := r.start(0)
	eventually(t, "the second copy to be ready", two.Ready)
	want := "web " + r.uid("web") + " [web.example.com]"
	for range 2 {
		if got := <-asked; got != want {
			t.Errorf("asked is %q, want %q", got, want)
		}
	}
	for _, c := range []*replica{one, two} {
		if url := c.front(r.uid("web")).URL(); !strings.HasPrefix(url, "https://") {
			t.Errorf("a copy is at %s", url)
		}
	}
}

// keyholder is a cloud that tells when it is to be shown what is given.
type keyholder struct {
	*servetest.Scripted
	renewed chan struct{}
}

func (k keyholder) Renew(context.Context) (bool, error) {
	k.renewed <- struct{}{}
	return true, nil
}

func TestCloudsAreShownWhatIsGivenAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := keyholder{servetest.NewScripted(t, "other"), make(chan struct{}, 10)}
	r.others = []serve.Cloud{other}
	r.start(0)
	r.directory.declare(spec("web", 1))
	r.directory.await(t, "web", "a replica", ready(1))
	if len(other.renewed) > 0 {
		t.Error("the cloud is shown something anew before anything was given")
	}
	if err := r.directory.change("web", func(d *serve.Declaration) { d.Shown = "another" }); err != nil {
		t.Fatal(err)
	}
	<-other.renewed
	r.directory.declare(spec("web", 2))
	r.directory.await(t, "web", "two replicas", ready(2))
	if len(other.renewed) > 0 {
		t.Error("the cloud is shown the same twice")
	}
}

func TestAControllerBeginsAnewWhenCloudsAreReachedOtherwise(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.start(0)
	r.directory.declare(spec("web", 2))
	before := r.directory.await(t, "web", "two replicas", ready(2))
	if err := r.directory.change("web", func(d *serve.Declaration) { d.Reached = "otherwise" }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the controller has begun anew", func() bool { return r.opened.Load() == 2 })
	if status, _ := one.get(r.port("web")); status != http.StatusOK {
		t.Errorf("meanwhile the endpoint answers with %d", status)
	}
	r.directory.declare(spec("web", 3))
	after := r.directory.await(t, "web", "three replicas", ready(3))
	if after.Refused != "" || after.Service.UID != before.Service.UID || after.Service.Replicas[0].ID != before.Service.Replicas[0].ID {
		t.Errorf("of %+v it has made %+v", before.Service, after)
	}
}
