// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// candidate is a copy that takes part in an election.
type candidate struct {
	leads atomic.Bool
	stop  context.CancelFunc
	ended chan error
	let   chan struct{} // what it does when it leads no more takes until this is closed
}

// stand has a copy take part in the election of a cluster, which is a fake one.
func stand(t *testing.T, client *fake.Clientset, pod string) *candidate {
	t.Helper()
	e := &Elector{o: ElectorOptions{Pod: pod, Log: slog.New(slog.DiscardHandler)}, c: &clients{namespace: "serve", typed: client}}
	ctx, cancel := context.WithCancel(t.Context())
	c := &candidate{stop: cancel, ended: make(chan error, 1), let: make(chan struct{})}
	go func() {
		c.ended <- e.Run(ctx, func(ctx context.Context) {
			c.leads.Store(true)
			<-ctx.Done()
			c.leads.Store(false)
			<-c.let
		})
	}()
	return c
}

// holder gives who holds the lease.
func holder(t *testing.T, client *fake.Clientset) string {
	t.Helper()
	lease, err := client.CoordinationV1().Leases("serve").Get(t.Context(), leaseName, metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		t.Fatalf("the lease is %+v, %v", lease, err)
	}
	return *lease.Spec.HolderIdentity
}

// later lets time go by.
func later(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// One leads, and one that ends gives the lead away as soon as nothing of it is
// under way any more.
func TestTheLeadIsHandedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		one := stand(t, client, "one")
		later(2 * leaseRetry)
		two := stand(t, client, "two")
		later(10 * leaseDuration)
		if !one.leads.Load() || two.leads.Load() || holder(t, client) != "one" {
			t.Fatalf("one leads: %v, two leads: %v, the lease is with %q", one.leads.Load(), two.leads.Load(), holder(t, client))
		}
		one.stop()
		later(10 * leaseDuration)
		if one.leads.Load() || two.leads.Load() || holder(t, client) != "one" {
			t.Errorf("while one is not done: one leads: %v, two leads: %v, the lease is with %q", one.leads.Load(), two.leads.Load(), holder(t, client))
		}
		close(one.let)
		later(3 * leaseRetry)
		if !two.leads.Load() || holder(t, client) != "two" {
			t.Errorf("two leads: %v, the lease is with %q", two.leads.Load(), holder(t, client))
		}
		if err := <-one.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("one has ended with %v", err)
		}
		close(two.let)
		two.stop()
		<-two.ended
	})
}

// Who was killed is waited for until its lease has run out, and no longer than the
// next try.
func TestTheLeadOfADeadCopyIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := metav1.NewMicroTime(time.Now())
		seconds := int32(leaseDuration / time.Second)
		client := fake.NewClientset(&coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: "serve", Name: leaseName},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: new("dead"), LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now},
		})
		two := stand(t, client, "two")
		close(two.let)
		later(leaseDuration - leaseRetry)
		if two.leads.Load() {
			t.Error("it leads before the lease of the other has run out")
		}
		later(4 * leaseRetry)
		if !two.leads.Load() {
			t.Errorf("the lease is with %q still", holder(t, client))
		}
		two.stop()
		<-two.ended
	})
}

// A leader that cannot renew its lease stops before another may lead, and says why.
func TestALeaderThatCannotRenewStopsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		var down atomic.Bool
		client.PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			return down.Load(), nil, errors.New("connection refused")
		})
		one := stand(t, client, "one")
		close(one.let)
		later(2 * leaseRetry)
		if !one.leads.Load() {
			t.Fatal("it does not lead")
		}
		down.Store(true)
		later(leaseDuration - 2*leaseRetry)
		if one.leads.Load() {
			t.Error("it leads although its lease is about to run out")
		}
		if err := <-one.ended; err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("it has ended with %v, want the reason", err)
		}
	})
}
