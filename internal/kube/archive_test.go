// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/serve-infra/terraform-provider-serve/internal/record"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func TestArchiveKeepsTheLastLogs(t *testing.T) {
	t.Parallel()
	secrets := fake.NewClientset(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: "serve", Name: logName("api", 1),
		Labels: map[string]string{labelManager: manager, labelComponent: componentLog, labelService: "api", labelReplica: "1"},
	}}).CoreV1().Secrets("serve")
	owners := []metav1.OwnerReference{ServiceOwner("web", "5f3c").reference()}
	servetest.TestArchive(t, record.ArchivedLogs, func() *record.Archive {
		return record.NewArchive(&logs{service: "web", secrets: secrets, owners: owners}, archivedBytes)
	})
	list, err := secrets.List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != record.ArchivedLogs+1 {
		t.Errorf("there are %d Secrets, %v; want %d and one of another service", len(list.Items), err, record.ArchivedLogs)
	}
	for _, secret := range list.Items {
		if secret.Labels[labelService] == "web" && len(secret.OwnerReferences) != 1 {
			t.Errorf("Secret %q does not go with its service", secret.Name)
		}
	}
}
