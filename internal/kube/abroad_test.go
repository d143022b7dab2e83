// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// out is a cloud that does not answer while that is so.
type out struct {
	*servetest.Scripted
	silent bool
}

func (o *out) List(ctx context.Context, service string) ([]serve.Instance, error) {
	if o.silent {
		return nil, serve.ErrUnreachable
	}
	return o.Scripted.List(ctx, service)
}

// What is known of other clouds outlives a destruction that does not come to its end,
// the service's object, and the end of the last service beside it.
func TestMachinesElsewhereAreEndedWithTheServiceInACluster(t *testing.T) {
	p := newPlace(t)
	c, err := connect(p.config)
	if err != nil {
		t.Fatal(err)
	}
	offer := serve.Offer{Location: serve.Location{Cloud: "aws", Region: "east"}, Market: serve.Spot}
	cloud := &out{Scripted: servetest.NewScripted(t, "aws", offer)}
	var told Known
	d := NewDeployer(DeployerOptions{
		Config: p.config, Briefs: map[string]string{"aws": "so"},
		Credentials: func() (serve.Credentials, error) {
			return serve.Credentials{Token: "t", Certificate: "c", Key: "k"}, nil
		},
		Abroad: func(_ *Abroad, known Known, _ func() ([]byte, error)) ([]serve.Cloud, error) {
			told = known
			return []serve.Cloud{cloud}, nil
		},
	})
	furnish := func(service string, shown serve.CloudCredentials) {
		t.Helper()
		opt := serve.DeployOptions{CloudCredentials: shown}
		if _, err := d.furnish(p.waiting(), c, newPlan(c.namespace, "1.0.0", Image{Reference: "x"}, 0), service, opt); err != nil {
			t.Fatal(err)
		}
	}
	furnish("web", serve.CloudCredentials{"aws": "first", "gcp": "other"})
	furnish("web", nil)
	a := c.abroad("web")
	furnish("beside", nil)
	for name, want := range map[string]string{"aws": "first", "gcp": "other", "kubernetes": ""} {
		if shown, err := a.Shown(t.Context(), name); err != nil || shown != want {
			t.Errorf("%s is shown %q, %v; want %q", name, shown, err, want)
		}
	}
	mark := func(name string) string {
		t.Helper()
		object, err := c.objects().Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return object.GetAnnotations()[name]
	}
	first, reached := mark(annotationShown), mark(annotationReached)
	furnish("web", serve.CloudCredentials{"aws": "first", "gcp": "other"})
	if now := mark(annotationShown); first == "" || now != first {
		t.Errorf("with the same credentials the mark %q has become %q", first, now)
	}
	furnish("web", serve.CloudCredentials{"aws": "second"})
	if mark(annotationShown) == first {
		t.Error("with other credentials the mark is the same")
	}
	if now := mark(annotationReached); reached == "" || now != reached {
		t.Errorf("reached as before the mark %q has become %q", reached, now)
	}
	d.o.Briefs = map[string]string{"aws": "otherwise"}
	furnish("web", nil)
	if mark(annotationReached) == reached {
		t.Error("reached otherwise the mark is the same")
	}
	if shown, err := a.Shown(t.Context(), "gcp"); err != nil || shown != "" {
		t.Errorf("what was taken back is shown: %q, %v", shown, err)
	}
	ref := serve.Ref{Service: "web", UID: "5f3c", Replica: 1}
	if _, err := cloud.Launch(t.Context(), serve.LaunchRequest{Ref: ref, Offer: offer}); err != nil {
		t.Fatal(err)
	}
	if err := a.Note(t.Context(), "aws", "here"); err != nil {
		t.Fatal(err)
	}

	cloud.silent = true
	if _, err := d.Destroy(p.waiting(), "web"); !errors.Is(err, serve.ErrUnreachable) {
		t.Fatalf("without an answer of the cloud Destroy gives %v", err)
	}
	if _, err := d.Find(p.waiting(), "web"); !errors.Is(err, serve.ErrUnreachable) {
		t.Errorf("Find gives %v", err)
	}
	if names, err := d.List(p.waiting()); err != nil || !slices.Contains(names, "web") {
		t.Errorf("what has machines yet is not listed: %v, %v", names, err)
	}
	if _, err := d.Destroy(p.waiting(), "beside"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.typed.CoreV1().Secrets(c.namespace).Get(t.Context(), controllerName, metav1.GetOptions{}); err != nil {
		t.Errorf("the end of the last service has taken with it what another needs: %v", err)
	}

	cloud.silent = false
	swept, err := d.Destroy(p.waiting(), "web")
	if err != nil || len(swept) != 1 || swept[0].Ref != ref {
		t.Errorf("Destroy gives %v, %v", swept, err)
	}
	if told.Notes["aws"] != "here" || told.Briefs["aws"] != "otherwise" || told.Scope == "" {
		t.Errorf("the cloud was asked by %+v", told)
	}
	if err := a.Note(t.Context(), "aws", "there"); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("after the end Note gives %v: something could be made", err)
	}
	// A copy that has not heard of the end opens once more what is gone.
	if known, err := a.Open(t.Context(), "5f3c"); err != nil || known.secret != nil {
		t.Errorf("after the end Open gives %+v, %v", known, err)
	}
	if names, err := d.List(p.waiting()); err != nil || len(names) > 0 {
		t.Errorf("there is left: %v, %v", names, err)
	}
}
