// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The conditions of a service.
const (
	conditionAccepted = "Accepted" // what is asked for is in force
	conditionReady    = "Ready"    // a replica is ready
)

// Report implements [serve.Directory]. It is one request if there is anything
// new, and none if there is not.
func (d *Directory) Report(ctx context.Context, name, uid string, r serve.Report) error {
	object, err := d.object(ctx, name, uid)
	if err == nil {
		err = d.adjust(ctx, object)
	}
	if err == nil {
		d.mu.Lock()
		url := d.urls[name]
		d.mu.Unlock()
		err = d.writeStatus(ctx, name, uid, func(s *ServeServiceStatus) { s.tell(r, url) })
	}
	if err != nil {
		return fmt.Errorf("reporting on service %q: %w", name, err)
	}
	return nil
}

// adjust brings an endpoint that has been published into the form that is asked
// for since.
func (d *Directory) adjust(ctx context.Context, object *unstructured.Unstructured) error {
	port, _, err := unstructured.NestedInt64(object.Object, "status", "port")
	if err != nil || port == 0 || object.GetDeletionTimestamp() != nil {
		return nil //nolint:nilerr // what is no port was not published by us
	}
	return d.expose(ctx, object, int(port))
}

// writeStatus changes the status of a service, which is asked for again when
// someone else has changed the service.
func (d *Directory) writeStatus(ctx context.Context, name, uid string, change func(*ServeServiceStatus)) error {
	turn := d.turn(name)
	turn.Lock()
	defer turn.Unlock()
	object, err := d.object(ctx, name, uid)
	for {
		if err != nil {
			return err
		}
		changed, err := changeStatus(object, change)
		if err != nil || !changed {
			return err
		}
		written, err := d.c.objects().UpdateStatus(ctx, object, metav1.UpdateOptions{FieldManager: fieldManager})
		if err == nil {
			d.saw(written)
			return nil
		}
		if err = meaning(err); !errors.Is(err, serve.ErrConflict) {
			return err
		}
		if object, err = d.ask(ctx, name, uid); err != nil {
			return err
		}
	}
}

// turn gives the lock of the reports on one service.
func (d *Directory) turn(name string) *sync.Mutex {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reporting[name] == nil {
		d.reporting[name] = &sync.Mutex{}
	}
	return d.reporting[name]
}

// changeStatus changes the status within an object, and reports whether it is
// another now.
func changeStatus(object *unstructured.Unstructured, change func(*ServeServiceStatus)) (bool, error) {
	s, err := read(object)
	if err != nil {
		s = &ServeService{} // written by another program; ours takes its place
	}
	before, err := json.Marshal(s.Status)
	if err != nil {
		return false, err
	}
	change(&s.Status)
	after, err := json.Marshal(s.Status)
	if err != nil || bytes.Equal(before, after) {
		return false, err
	}
	var fields map[string]any
	if err := json.Unmarshal(after, &fields); err != nil {
		return false, err
	}
	return true, unstructured.SetNestedMap(object.Object, fields, "status")
}

// tell puts a report into the status.
func (s *ServeServiceStatus) tell(r serve.Report, url string) {
	s.ObservedGeneration, s.Refused, s.Errors, s.Service = r.Generation, r.Refused, r.Errors, r.Service
	s.ObservedSpec = cmp.Or(r.Asked, s.ObservedSpec)
	s.Endpoint = url
	accepted := metav1.Condition{Type: conditionAccepted, Status: metav1.ConditionTrue, Reason: "Accepted"}
	if r.Refused != "" {
		accepted.Status, accepted.Reason, accepted.Message = metav1.ConditionFalse, "Refused", r.Refused
		if len(r.Errors) > 0 {
			accepted.Reason, accepted.Message = "Invalid", r.Errors.Error()
		}
	} else if r.Service == nil {
		accepted.Status, accepted.Reason, accepted.Message = metav1.ConditionUnknown, "NothingAsked", "Nothing is asked for yet"
	}
	ready := metav1.Condition{Type: conditionReady, Status: metav1.ConditionFalse, Reason: "NoService"}
	s.Version, s.Status, s.Replicas, s.Spot, s.OnDemand = 0, "", "", nil, nil
	if v := r.Service; v != nil {
		s.Endpoint = cmp.Or(url, v.Endpoint)
		s.Version, s.Status, s.Replicas = v.Revision, string(v.Status), fmt.Sprintf("%d/%d", v.Counts.Ready, v.Counts.Total)
		s.Spot, s.OnDemand = &v.Counts.Spot, &v.Counts.OnDemand
		ready.Reason, ready.Message = camel(v.Status), v.Message
		if v.Status == serve.Ready {
			ready.Status = metav1.ConditionTrue
		}
	}
	for _, c := range []metav1.Condition{accepted, ready} {
		c.ObservedGeneration = r.Generation
		meta.SetStatusCondition(&s.Conditions, c)
	}
}

// camel writes a status as reasons of conditions are written: NoReplica.
func camel(s serve.Status) string {
	var b strings.Builder
	for word := range strings.SplitSeq(string(s), "_") {
		if word != "" {
			b.WriteString(word[:1] + strings.ToLower(word[1:]))
		}
	}
	return cmp.Or(b.String(), "Unknown")
}
