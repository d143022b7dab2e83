// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// A zone without capacity is left at once, although Compute Engine has taken the call.
func TestAZoneWithoutCapacityIsAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		offer := r.offer(serve.Spot)
		r.gcp.Exhaust(gcptest.Pool{Zone: offer.Location.Zone, Market: gcptest.Spot})
		_, err := r.cloud.Launch(t.Context(), r.request(offer))
		if !errors.Is(err, serve.ErrCapacity) {
			t.Errorf("got %v, want that there is no capacity", err)
		}
		if calls := r.gcp.Books().Calls["compute.instances.insert"]; calls != 1 {
			t.Errorf("Compute Engine was asked %d times", calls)
		}
		if live := r.gcp.Books().Live(); len(live) > 0 {
			t.Errorf("left behind: %v", live)
		}
	})
}

func TestAQuotaThatIsUsedUpIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		offer := r.offer(serve.OnDemand)
		r.gcp.SetQuota("us-east1", "INSTANCES", 0)
		if _, err := r.cloud.Launch(t.Context(), r.request(offer)); !errors.Is(err, serve.ErrQuota) || !strings.Contains(err.Error(), "INSTANCES") {
			t.Errorf("got %v, want that the quota INSTANCES is used up", err)
		}
	})
}

func TestALaunchIsOneInstance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.gcp.LoseNext("compute.instances.insert")
		r.gcp.Lag(20 * time.Second)
		offer := r.offer(serve.Spot)
		i, err := r.cloud.Launch(t.Context(), r.request(offer))
		if err != nil {
			t.Fatal(err)
		}
		live := r.gcp.Books().Live()
		if len(live) != 1 || live[0].Name != i.ID || live[0].Market != gcptest.Spot || live[0].Account != "" {
			t.Errorf("launched %v, by the books there are %+v", i, live)
		}
		if i.Offer != offer || i.Ref != r.request(offer).Ref || !i.Running || i.Address == "" {
			t.Errorf("launched %+v, for %+v", i, offer)
		}
		if err := r.cloud.Terminate(t.Context(), i.Ref); err != nil {
			t.Fatal(err)
		}
		if err := r.cloud.Clean(t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		if left := r.gcp.Books().Left(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

// Whoever comes after a crash finds what was made, in whatever zone, and one who comes
// while it is being deleted waits and makes another of the same name.
func TestALaunchGoesOnWhereAnotherHasStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		offer := r.offer(serve.Spot)
		first, err := r.cloud.Launch(t.Context(), r.request(offer))
		if err != nil {
			t.Fatal(err)
		}
		later := newCloud(t, r.gcp, rigConfig())
		again, err := later.Launch(t.Context(), r.request(offer))
		if err != nil || again != first {
			t.Errorf("launched %+v, %v; want %+v", again, err, first)
		}
		if !r.gcp.Preempt(first.ID, 0) {
			t.Fatal("it is not there")
		}
		third, err := later.Launch(t.Context(), r.request(offer))
		if err != nil || third.ID != first.ID || !third.LaunchedAt.After(first.LaunchedAt) {
			t.Errorf("launched %+v, %v; want another %s", third, err, first.ID)
		}
		if live := r.gcp.Books().Live(); len(live) != 1 {
			t.Errorf("there are %+v", live)
		}
	})
}

func TestAnInstanceThatIsTakenWhileItIsLaunchedIsNoCapacity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		request := r.request(r.offer(serve.Spot))
		go func() {
			<-time.After(12 * time.Second) // it runs, and its agent does not answer yet
			for _, i := range r.gcp.Books().Live() {
				r.gcp.Preempt(i.Name, 0)
			}
		}()
		if _, err := r.cloud.Launch(t.Context(), request); !errors.Is(err, serve.ErrCapacity) || !strings.Contains(err.Error(), "preempted") {
			t.Errorf("got %v, want that it was preempted", err)
		}
		if live := r.gcp.Books().Live(); len(live) > 0 {
			t.Errorf("left behind: %v", live)
		}
	})
}

// Lists are late at times: what they have may be gone.
func TestAnInstanceThatIsListedAndGoneIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		request := r.request(r.offer(serve.Spot))
		r.gcp.Lag(time.Minute)
		first, err := r.cloud.Launch(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		if err := r.cloud.Terminate(t.Context(), first.Ref); err != nil {
			t.Fatal(err)
		}
		later := r.as("rig")
		if list, err := later.List(t.Context(), "web"); err != nil || len(list) != 1 {
			t.Fatalf("listed is %+v, %v; want that which is gone", list, err)
		}
		again, err := later.Launch(t.Context(), request)
		if err != nil || !again.LaunchedAt.After(first.LaunchedAt) {
			t.Errorf("launched %+v, %v", again, err)
		}
	})
}

// What a lost zone has is not gone, and other zones have machines meanwhile.
func TestALostZoneHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		first := r.request(r.offer(serve.Spot))
		if _, err := r.cloud.Launch(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		lost := first.Offer.Location.Zone
		r.gcp.LoseZone(lost, true)
		if list, err := r.cloud.List(t.Context(), "web"); !errors.Is(err, serve.ErrUnreachable) || !strings.Contains(err.Error(), lost) {
			t.Errorf("listed is %+v, %v", list, err)
		}
		late := r.as("rig")
		if some, err := late.Offers(t.Context(), serve.Resource{Infra: "gcp/us-east1", CPUs: "2+"}); err == nil || len(some) == 0 || strings.Contains(fmt.Sprint(some), lost) {
			t.Errorf("offered is %v, %v", some, err)
		}
		other := first
		other.Ref.Replica = 2
		offers, err := r.cloud.Offers(t.Context(), serve.Resource{CPUs: "2+"})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range offers {
			if o.Location.Zone != lost {
				other.Offer = o
			}
		}
		if _, err := r.cloud.Launch(t.Context(), other); err != nil {
			t.Error(err)
		}
		other.Revision = 2
		if _, err := r.cloud.Restart(t.Context(), other); err != nil {
			t.Error(err)
		}
		if err := r.cloud.Terminate(t.Context(), other.Ref); err != nil {
			t.Error(err)
		}
		if gone, why, err := r.cloud.Gone(t.Context(), serve.Instance{Ref: first.Ref, ID: r.gcp.Books().Live()[0].Name, Offer: first.Offer}); gone || err == nil {
			t.Errorf("it is gone: %v, %s, %v", gone, why, err)
		}
		if err := r.as("rig").Terminate(t.Context(), first.Ref); !errors.Is(err, serve.ErrUnreachable) {
			t.Errorf("got %v of one that may be in the lost zone", err)
		}
		r.gcp.LoseZone(lost, false)
		if err := r.as("rig").Terminate(t.Context(), first.Ref); err != nil || len(r.gcp.Books().Live()) > 0 {
			t.Errorf("got %v, and left are %v", err, r.gcp.Books().Left())
		}
	})
}

func TestAMachineIsAsItWasAskedFor(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		resource serve.Resource
		market   serve.Market
		is       func(gcptest.Instance) bool
	}{
		{"one that nothing is said of", serve.Resource{CPUs: "2"}, serve.OnDemand, func(i gcptest.Instance) bool {
			return i.Market == gcptest.Standard && strings.Contains(i.Metadata["startup-script"], "/opt/serve") && len(i.Tags) == 1
		}},
		{"one made to measure", serve.Resource{CPUs: "6", Memory: "10"}, serve.Spot, func(i gcptest.Instance) bool { return i.Type == "e2-custom-6-10240" }},
		{"one that is named", serve.Resource{InstanceType: "n2-custom-6-10240"}, serve.Spot, func(i gcptest.Instance) bool { return i.Type == "n2-custom-6-10240" }},
		{"one made to measure of the oldest series", serve.Resource{InstanceType: "n1-custom-2-4096"}, serve.Spot, func(i gcptest.Instance) bool { return i.Type == "custom-2-4096" }},
		{"one with an accelerator attached", serve.Resource{Accelerators: "T4"}, serve.Spot, func(i gcptest.Instance) bool {
			return strings.HasPrefix(i.Type, "n1-") && i.GPU == "nvidia-tesla-t4" && i.GPUs == 1
		}},
		{"one with an accelerator of its own", serve.Resource{Accelerators: "L4:2"}, serve.OnDemand, func(i gcptest.Instance) bool {
			return i.Type == "g2-standard-24" && i.GPUs == 2
		}},
		{"one for a container", serve.Resource{CPUs: "2", ImageID: "docker:nginx"}, serve.Spot, func(i gcptest.Instance) bool {
			return strings.Contains(i.Metadata["startup-script"], "/var/lib/google/serve") && strings.Contains(i.Metadata["startup-script"], "iptables")
		}},
		{"one with labels that no label can have", serve.Resource{CPUs: "2", Labels: map[string]string{"Team": "A & B", "env": "prod"}}, serve.Spot, func(i gcptest.Instance) bool {
			return i.Labels["env"] == "prod" && i.Labels["serve-infra-service"] == "web"
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				offers, err := r.cloud.Offers(t.Context(), row.resource)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range offers {
					if o.Market != row.market {
						continue
					}
					request := r.request(o)
					request.Resource = row.resource
					if _, err := r.cloud.Launch(t.Context(), request); err != nil {
						t.Fatal(err)
					}
					if i := r.gcp.Books().Live()[0]; !row.is(i) {
						t.Errorf("it is %+v", i)
					}
					return
				}
				t.Fatalf("there is no offer in the market among %v", offers)
			})
		})
	}
}

// What a replica is given anew may take long, as a bundle over a slow line does. The
// instance is asked for now and then meanwhile.
func TestARestartMayTakeLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		slow, o := stations(r.gcp), options(t, r.gcp, rigConfig())
		slow.Takes = 5 * time.Minute
		o.Connect = slow.Connect
		r.cloud = gcp.NewCloud(o)
		request := r.request(r.offer(serve.Spot))
		first, err := r.cloud.Launch(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		request.Revision = 2
		if next, err := r.cloud.Restart(t.Context(), request); err != nil || next.ID != first.ID || next.Revision != 2 {
			t.Errorf("restarted %+v, %v", next, err)
		}
	})
}

func TestARestartIsNoted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		request := r.request(r.offer(serve.Spot))
		first, err := r.cloud.Launch(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		r.gcp.LoseNext("compute.instances.setMetadata")
		request.Revision = 2
		next, err := r.cloud.Restart(t.Context(), request)
		if err != nil || next.Revision != 2 || next.ID != first.ID || next.LaunchedAt != first.LaunchedAt {
			t.Errorf("restarted %+v, %v", next, err)
		}
		list, err := r.cloud.List(t.Context(), "web")
		if err != nil || len(list) != 1 || list[0] != next {
			t.Errorf("listed is %+v, %v; want %+v", list, err, next)
		}
		r.gcp.Fail(first.ID)
		request.Revision = 3
		if _, err := r.cloud.Restart(t.Context(), request); !errors.Is(err, serve.ErrNotFound) {
			t.Errorf("got %v of one that is gone", err)
		}
	})
}

// Services of the same name of somebody else are another one's.
func TestWhatIsOfSomebodyElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		request := r.request(r.offer(serve.Spot))
		if _, err := r.cloud.Launch(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		other := r.as("somebody else")
		if list, err := other.List(t.Context(), "web"); err != nil || len(list) > 0 {
			t.Errorf("listed is %+v, %v", list, err)
		}
		if err := errors.Join(other.Terminate(t.Context(), request.Ref), other.Clean(t.Context(), "web")); err != nil {
			t.Error(err)
		}
		if b := r.gcp.Books(); len(b.Live()) != 1 || len(b.Firewalls) != 1 {
			t.Errorf("there are %v", b.Left())
		}
	})
}
