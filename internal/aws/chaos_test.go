// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// faults is how many things go wrong within a day.
const faults = 500

// Through a day on which something goes wrong every three minutes there are never
// two instances of one replica, and when the service is deleted nothing is left.
// SERVE_TEST_SEED plays another day.
func TestADayOfChaosLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDay(t, seed(t))
		d.begin()
		d.apply()
		for i := range faults {
			d.goWrong(i)
			d.pass(24 * time.Hour / faults)
		}
		d.calm()
		d.end()
	})
}

// seed is which day is played.
func seed(t *testing.T) uint64 {
	text := os.Getenv("SERVE_TEST_SEED")
	if text == "" {
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// day is a service on an emulated AWS, through the lives of several controllers.
type day struct {
	t       *testing.T
	aws     *awstest.AWS
	fleet   *stations
	random  *rand.Rand
	store   func(way http.RoundTripper) serve.Store
	known   string
	current *life
	// log is what the controllers have said.
	log io.Writer
	// given is what the controllers have found, and are to leave.
	given []string
	// more are things that go wrong on this day only.
	more []trouble
	// done counts what has gone wrong, by its kind.
	done map[string]int
}

// trouble is something that goes wrong.
type trouble struct {
	name string
	do   func()
}

func newDay(t *testing.T, seed uint64) *day {
	a := awstest.New(t, awstest.Options{Seed: seed, Pending: 8 * time.Second, Stopping: 20 * time.Second})
	return &day{
		t: t, aws: a, fleet: &stations{aws: a, every: 5 * time.Second, boot: 20 * time.Second},
		random: rand.New(rand.NewPCG(seed, 7)), store: inMemory(), done: map[string]int{},
		log:   t.Output(),
		known: brief(t, aws.Config{Regions: []string{"us-east-1"}}),
	}
}

// begin starts a controller.
func (d *day) begin() {
	d.current = begin(d.t, home{aws: d.aws, fleet: d.fleet, service: "web", store: d.store, known: &d.known, log: d.log})
}

// kill ends the controller in the middle of whatever it does, and starts another.
func (d *day) kill() {
	d.current.dead.Store(true)
	d.current.stop()
	d.begin()
}

func (d *day) apply() {
	spec := serve.NewSpec("web")
	spec.ReadinessProbe.EndpointProbeIntervalSeconds = 30
	spec.ReplicaPolicy.MinReplicas, spec.ReplicaPolicy.MaxReplicas = 6, 6
	spec.ReplicaPolicy.BaseOndemandFallbackReplicas, spec.ReplicaPolicy.DynamicOndemandFallback = 1, true
	spot := true
	spec.Resources.UseSpot, spec.Resources.CPUs, spec.Resources.Infra, spec.Resources.Ports = &spot, "2+", "aws/us-east-1", "8080"
	spec.Run = "server"
	if _, err := d.current.Apply(d.t.Context(), spec, serve.ApplyOptions{}); err != nil {
		d.t.Fatal(err)
	}
}

// goWrong has one thing go wrong, each kind as often as the others.
func (d *day) goWrong(turn int) {
	live := d.aws.Books().Live()
	victim := func() string {
		if len(live) == 0 {
			return ""
		}
		return live[d.random.IntN(len(live))].ID
	}
	actions := []string{"RunInstances", "TerminateInstances", "DescribeInstances", "DescribeSpotPriceHistory", "AuthorizeSecurityGroupIngress"}
	action := actions[d.random.IntN(len(actions))]
	kinds := []trouble{
		{"throttled", func() {
			for range 20 {
				d.aws.FailNext(action, awstest.Throttled())
			}
		}},
		{"internal error", func() { d.aws.FailNext(action, awstest.InternalError(), awstest.InternalError()) }},
		{"lost answer to a launch", func() { d.aws.LoseNext("RunInstances") }},
		{"lost answers", func() { d.aws.LoseNext(action); d.aws.LoseNext(action) }},
		{"no capacity for the next launches", func() { d.aws.FailNext("RunInstances", awstest.NoCapacity(), awstest.NoCapacity()) }},
		{"no spot quota for the next launches", func() { d.aws.FailNext("RunInstances", awstest.SpotQuota(), awstest.SpotQuota()) }},
		{"no spot in a zone", func() { d.aws.Exhaust(awstest.Pool{Zone: d.zone(), Market: awstest.Spot}) }},
		{"spot in a zone again", func() { d.aws.Refill(awstest.Pool{Zone: d.zone(), Market: awstest.Spot}) }},
		{"late descriptions", func() { d.aws.Lag(time.Duration(d.random.IntN(20)) * time.Second) }},
		{"interruption", func() { d.aws.Interrupt(victim(), 2*time.Minute) }},
		{"interruption without notice", func() { d.aws.Interrupt(victim(), 0) }},
		{"dead hardware", func() { d.aws.Kill(victim()) }},
		{"rebalance", func() { d.aws.Rebalance(victim()) }},
		{"controller killed", d.kill},
		{"controller killed in the middle of a launch", func() {
			// Something has to be launched, and is answered too late.
			d.aws.Kill(victim())
			d.pass(time.Duration(5+d.random.IntN(20)) * time.Second)
			d.kill()
		}},
	}
	kinds = append(kinds, d.more...)
	k := kinds[turn%len(kinds)]
	d.done[k.name]++
	k.do()
}

func (d *day) zone() string {
	return []string{"us-east-1a", "us-east-1b", "us-east-1c"}[d.random.IntN(3)]
}

// pass lets time go by, and looks all along whether a replica has two instances.
func (d *day) pass(span time.Duration) {
	d.t.Helper()
	for end := time.Now().Add(span); time.Now().Before(end); {
		<-time.After(10 * time.Second)
		by := map[string]string{}
		for _, i := range d.aws.Books().Live() {
			replica := i.Tags["serve-infra:uid"] + "/" + i.Tags["serve-infra:replica"]
			if other := by[replica]; other != "" {
				d.t.Fatalf("replica %s has two instances, %s and %s", replica, other, i.ID)
			}
			by[replica] = i.ID
		}
	}
}

// calm lets nothing go wrong any more, and then all must be as it was asked for.
func (d *day) calm() {
	for _, zone := range []string{"us-east-1a", "us-east-1b", "us-east-1c"} {
		d.aws.Refill(awstest.Pool{Zone: zone, Market: awstest.Spot})
	}
	d.aws.Lag(0)
	d.pass(2 * time.Hour)
	s, err := d.current.Service(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	var recorded, there []string
	for _, r := range s.Replicas {
		if r.Status() == serve.Ready {
			recorded = append(recorded, r.Instance)
		}
	}
	for _, i := range d.aws.Books().Live() {
		there = append(there, i.ID)
	}
	slices.Sort(recorded)
	slices.Sort(there)
	if s.Counts.Ready != 6 || s.Counts.OnDemand != 1 || !slices.Equal(recorded, there) {
		d.t.Errorf("after the day %+v, by the controller %v, by the books %v", s.Counts, recorded, there)
	}
}

// end deletes the service.
func (d *day) end() {
	if err := d.current.Delete(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	if err := d.current.Watch(d.t.Context(), func(serve.Service) bool { return true }); !errors.Is(err, serve.ErrNotFound) {
		d.t.Errorf("waiting for the end: %v", err)
	}
	if err := d.current.cloud.Clean(d.t.Context(), "web"); err != nil {
		d.t.Error(err)
	}
	d.current.stop()
	<-d.current.over
	books := d.aws.Books()
	if left := books.Left(); !slices.Equal(left, d.given) {
		d.t.Errorf("left behind: %q", left)
	}
	calls := 0
	for _, n := range books.Calls {
		calls += n
	}
	d.t.Logf("%d instances in a day, %d calls of AWS (%v); went wrong: %v", len(books.Instances), calls, books.Calls, d.done)
}
