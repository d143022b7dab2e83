// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"fmt"
	"io"
	"maps"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Each service has a controller of its own, as if all were in processes of their
// own, and EC2 limits how often it is asked as it does for a new account.
// SERVE_TEST_SERVICES is how many services there are beside one alone; the guide on
// AWS has the figures of 50.
func TestHowOftenAWSIsAsked(t *testing.T) {
	t.Parallel()
	many := 5
	if text := os.Getenv("SERVE_TEST_SERVICES"); text != "" {
		var err error
		if many, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ services, replicas int }{{1, 10}, {many, 20}} {
		t.Run(fmt.Sprintf("%dx%d", row.services, row.replicas), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := awstest.New(t, awstest.Options{Pending: 8 * time.Second, Stopping: 20 * time.Second})
				a.Throttle(true)
				for _, market := range []string{awstest.Spot, awstest.OnDemand} {
					a.SetQuota("us-east-1", awstest.ClassStandard, market, 1<<20)
				}
				f := &stations{aws: a, every: 30 * time.Second, boot: 40 * time.Second}
				var all []*life
				for n := range row.services {
					known := brief(t, aws.Config{Regions: []string{"us-east-1"}})
					l := begin(t, home{aws: a, fleet: f, service: fmt.Sprintf("web%d", n), store: inMemory(), known: &known, log: io.Discard})
					spec := serve.NewSpec(fmt.Sprintf("web%d", n))
					spec.ReadinessProbe.EndpointProbeIntervalSeconds = 60
					spec.ReplicaPolicy.MinReplicas, spec.ReplicaPolicy.MaxReplicas = row.replicas, row.replicas
					spec.ReplicaPolicy.DynamicOndemandFallback = true
					spot := true
					spec.Resources.UseSpot, spec.Resources.CPUs, spec.Resources.Infra, spec.Resources.Ports = &spot, "2+", "aws/us-east-1", "8080"
					spec.Run = "server"
					if _, err := l.Apply(t.Context(), spec, serve.ApplyOptions{}); err != nil {
						t.Fatal(err)
					}
					all = append(all, l)
				}
				ready := func() (n int) {
					for _, l := range all {
						s, err := l.Service(t.Context())
						if err != nil {
							t.Fatal(err)
						}
						if s.Counts.Ready == row.replicas && s.Counts.Spot == row.replicas && s.Counts.Total == row.replicas {
							n++
						}
					}
					return n
				}
				began := time.Now()
				for ready() < row.services {
					if <-time.After(10 * time.Second); time.Since(began) > 2*time.Hour {
						t.Fatalf("after %v there are all replicas of %d services, %d machines", time.Since(began), ready(), len(a.Books().Live()))
					}
				}
				t.Logf("all replicas are there after %v and %v", time.Since(began), count(a))
				hour := func(what string, most int, do func()) {
					before := a.Books().Calls
					do()
					<-time.After(time.Hour)
					calls := a.Books().Calls
					total := 0
					for name := range calls {
						calls[name] -= before[name]
						total += calls[name]
					}
					maps.DeleteFunc(calls, func(_ string, n int) bool { return n == 0 })
					t.Logf("%d calls in an hour in which %s: %v", total, what, calls)
					if total > most || total == 0 {
						t.Errorf("they are more than %d, or none", most)
					}
					if n := ready(); n != row.services {
						t.Errorf("then %d services have all they want", n)
					}
				}
				hour("nothing happens", 12*row.services, func() {})
				hour("each service loses a machine", 60*row.services, func() {
					lost := map[string]bool{}
					for _, i := range a.Books().Live() {
						if s := i.Tags["serve-infra:service"]; !lost[s] {
							lost[s] = true
							a.Interrupt(i.ID, 2*time.Minute)
						}
					}
				})
				for _, l := range all {
					l.stop()
					<-l.over
				}
			})
		})
	}
}

// count gives all calls there were.
func count(a *awstest.AWS) string {
	calls, total := a.Books().Calls, 0
	for _, n := range calls {
		total += n
	}
	return fmt.Sprintf("%d calls: %v", total, calls)
}
