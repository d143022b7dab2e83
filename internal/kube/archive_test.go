// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/record"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// archiveIn gives an archive that has seen nothing yet of what is there.
func archiveIn(secrets typedcorev1.SecretInterface) *record.Archive {
	owners := []metav1.OwnerReference{ServiceOwner("web", "5f3c").reference()}
	return record.NewArchive(&logs{service: "web", secrets: secrets, owners: owners}, archivedBytes)
}

// readLog gives a kept log.
func readLog(t *testing.T, a *record.Archive, replica int64, tail int) string {
	t.Helper()
	log, err := a.Open(t.Context(), replica, serve.LogOptions{Tail: tail})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestArchiveKeepsTheLastLogs(t *testing.T) {
	t.Parallel()
	secrets := fake.NewClientset(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: "serve", Name: logName("api", 1),
		Labels: map[string]string{labelManager: manager, labelComponent: componentLog, labelService: "api", labelReplica: "1"},
	}}).CoreV1().Secrets("serve")
	for id := range int64(2 * record.ArchivedLogs) {
		// Each by another controller, as if leaders followed one another.
		if err := archiveIn(secrets).Keep(t.Context(), id+1, strings.NewReader(fmt.Sprintf("hello from %d\n", id+1))); err != nil {
			t.Fatal(err)
		}
	}
	list, err := secrets.List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != record.ArchivedLogs+1 {
		t.Errorf("there are %d Secrets, %v; want %d and one of another service", len(list.Items), err, record.ArchivedLogs)
	}
	for _, secret := range list.Items {
		if secret.Labels[labelService] == "web" && len(secret.OwnerReferences) != 1 {
			t.Errorf("Secret %q does not go with its service", secret.Name)
		}
	}
	a := archiveIn(secrets)
	if text := readLog(t, a, 2*record.ArchivedLogs, 0); text != fmt.Sprintf("hello from %d\n", 2*record.ArchivedLogs) {
		t.Errorf("the last log is %q", text)
	}
	for _, forgotten := range []int64{1, 99} {
		if _, err := a.Open(t.Context(), forgotten, serve.LogOptions{}); !errors.Is(err, serve.ErrNotFound) {
			t.Errorf("the log of %d gives %v, want ErrNotFound", forgotten, err)
		}
	}
	// A log that is kept again, as after an end that had to be tried twice.
	if err := a.Keep(t.Context(), 2*record.ArchivedLogs, strings.NewReader("one\ntwo\nthree\n")); err != nil {
		t.Fatal(err)
	}
	if text := readLog(t, a, 2*record.ArchivedLogs, 2); text != "two\nthree\n" {
		t.Errorf("its last two lines are %q", text)
	}
}
