// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestCopiesShareCertificates(t *testing.T) {
	t.Parallel()
	secrets := fake.NewClientset().CoreV1().Secrets("serve")
	open := func(service string) *Certificates {
		return &Certificates{service, locker{
			secrets: secrets, service: service, component: componentCertificates,
			owners: []metav1.OwnerReference{ServiceOwner(service, "5f3c").reference()},
		}}
	}
	one, two, other := open("web"), open("web"), open("api")
	if _, err := one.Get(t.Context(), "web.example.com"); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("before there is anything Get gives %v", err)
	}
	if err := one.Delete(t.Context(), "web.example.com"); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
	var copies sync.WaitGroup
	for i := range 8 {
		copies.Go(func() {
			if err := open("web").Put(t.Context(), fmt.Sprintf("%d.example.com+token", i), []byte{byte(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	copies.Wait()
	for i := range 8 {
		key := fmt.Sprintf("%d.example.com+token", i)
		if got, err := two.Get(t.Context(), key); err != nil || len(got) != 1 || got[0] != byte(i) {
			t.Errorf("%s gives %v, %v", key, got, err)
		}
		if _, err := other.Get(t.Context(), key); !errors.Is(err, serve.ErrNotFound) {
			t.Errorf("another service gets %s: %v", key, err)
		}
	}
	for range 2 {
		if err := one.Delete(t.Context(), "3.example.com+token"); err != nil {
			t.Error(err)
		}
	}
	if _, err := two.Get(t.Context(), "3.example.com+token"); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("what was removed gives %v", err)
	}
	secret, err := secrets.Get(t.Context(), one.kept.name(), metav1.GetOptions{})
	if err != nil || len(secret.OwnerReferences) != 1 || secret.Labels[labelService] != "web" || len(secret.Data) != 7 {
		t.Errorf("the Secret is %+v, %v", secret, err)
	}
}
