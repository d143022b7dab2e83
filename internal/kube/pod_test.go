// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// golden is the pod of the file; with SERVE_TEST_GOLDEN set the file is written.
const golden = "testdata/pod.yaml"

func TestAPodIsMadeAsWritten(t *testing.T) {
	t.Parallel()
	a, err := askOf(serve.Resource{CPUs: "2+", Accelerators: "L4:2"})
	if err != nil {
		t.Fatal(err)
	}
	digest := "sha256:" + strings.Repeat("ab", 32)
	b := blueprint{
		req: serve.LaunchRequest{
			Ref: serve.Ref{Service: "web", UID: "5f3c", Replica: 7}, Revision: 3, Port: 8080,
			Offer: serve.Offer{
				Location: serve.Location{Cloud: cloudName, Region: "test", Zone: "a"}, Market: serve.Spot, InstanceType: a.instanceType(),
			},
			Resource: serve.Resource{ImageID: "docker:example.com/web:1", Labels: map[string]string{"team": "x", labelService: "not-this"}},
			Task: serve.Task{
				Workdir: digest, FileMounts: map[string]string{"~/models": digest}, Setup: "echo $$", Run: "exec serve $(PORT)",
				Envs: map[string]string{"A": "$(B)", "PORT": "1"}, Secrets: map[string]string{"TOKEN": "hidden"},
			},
		},
		ask: a, id: "ns/web-7-x", image: "unused",
		target:  target{terms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{in(labelZone, "a")}}}, device: "nvidia.com/gpu"},
		owners:  []metav1.OwnerReference{Owner{"serve-infra.io/v1", "ServeService", "web", "u"}.reference()},
		bundles: map[string][]string{digest: pieceNames(digest, 2)},
	}
	p, err := b.pod()
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Spec.Containers[0].Args) < 1 || p.Spec.Containers[0].Args[0] != literal(startScript) {
		t.Error("the first argument is not the start script")
	}
	p.Spec.Containers[0].Args[0] = "the start script"
	var out strings.Builder
	s := json.NewSerializerWithOptions(json.DefaultMetaFactory, nil, nil, json.SerializerOptions{Yaml: true})
	if err := s.Encode(p, &out); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("SERVE_TEST_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("the pod (-want +got):\n%s", diff)
	}
	secret, err := b.secret()
	if err != nil || secret.Name != p.Name || secret.StringData["TOKEN"] != "hidden" || strings.Contains(out.String(), "hidden") {
		t.Errorf("the secret is not where it belongs: %v, %v", secret, err)
	}
}

func TestErrorsHaveMeanings(t *testing.T) {
	t.Parallel()
	pods := schema.GroupResource{Resource: "pods"}
	forbidden := func(why string) error { return apierrors.NewForbidden(pods, "web", errors.New(why)) }
	for _, row := range []struct {
		name string
		err  error
		want error
	}{
		{"what is not there", apierrors.NewNotFound(pods, "web"), serve.ErrNotFound},
		{"what is there already", apierrors.NewAlreadyExists(pods, "web"), serve.ErrConflict},
		{"what has changed", apierrors.NewConflict(pods, "web", errors.New("x")), serve.ErrConflict},
		{"a right one lacks", forbidden(`User "x" cannot create resource "pods"`), serve.ErrUnauthorized},
		{"a quota", forbidden("exceeded quota: q, requested: pods=1"), serve.ErrQuota},
		{"a rule of the namespace", forbidden(`violates PodSecurity "restricted:latest"`), serve.ErrInvalid},
		{"a namespace that goes", forbidden("unable to create new content in namespace x because it is being terminated"), serve.ErrConflict},
		{"no credentials", apierrors.NewUnauthorized("x"), serve.ErrUnauthorized},
		{"a bad request", apierrors.NewBadRequest("x"), serve.ErrInvalid},
		{"a busy server", apierrors.NewTooManyRequests("x", 1), serve.ErrUnreachable},
		{"a broken server", apierrors.NewInternalError(errors.New("x")), serve.ErrUnreachable},
		{"no server", &url.Error{Op: "Get", Err: errors.New("connection refused")}, serve.ErrUnreachable},
		{"a program that gives no credentials", &url.Error{Op: "Get", Err: errors.New("getting credentials: exec: not found")}, serve.ErrUnauthorized},
		{"a caller who has gone", &url.Error{Op: "Get", Err: context.Canceled}, nil},
		{"something else", errors.New("x"), nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := meaning(fmt.Errorf("doing: %w", row.err))
			if row.want != nil && !errors.Is(got, row.want) || !errors.Is(got, row.err) || row.want == nil && meaningOf(row.err) != nil {
				t.Errorf("%v became %v, want %v", row.err, got, row.want)
			}
		})
	}
}

func TestAPodThatDoesNotStartIsGivenUpInTime(t *testing.T) {
	t.Parallel()
	pending := func(why string) *corev1.Pod {
		return &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: why,
		}}}}
	}
	in := func(s corev1.ContainerState) *corev1.Pod {
		return &corev1.Pod{Status: corev1.PodStatus{PodIP: "10.0.0.1", ContainerStatuses: []corev1.ContainerStatus{{Name: containerName, State: s}}}}
	}
	waiting := func(reason string) *corev1.Pod {
		return in(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "the words of " + reason}})
	}
	running := in(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}})
	for _, row := range []struct {
		name  string
		pods  []*corev1.Pod // ten seconds apart
		up    bool
		words string
	}{
		{"running", []*corev1.Pod{running}, true, ""},
		{"without room, for a moment", []*corev1.Pod{pending("full"), running}, true, ""},
		{"without room, for long", []*corev1.Pod{pending("full"), pending("full"), pending("still full")}, false, "unschedulable"},
		{"an image that takes its time", []*corev1.Pod{waiting("ContainerCreating"), waiting("ErrImagePull"), waiting("ImagePullBackOff"), running}, true, ""},
		{"an image that is not to be had", repeat(waiting("ImagePullBackOff"), 13), false, "the words of ImagePullBackOff"},
		{"no image", []*corev1.Pod{waiting("InvalidImageName")}, false, "the words of InvalidImageName"},
		{"trouble that changes", []*corev1.Pod{waiting("CreateContainerError"), waiting("ErrImagePull"), waiting("CreateContainerError"), running}, true, ""},
		{"no container", repeat(waiting("CreateContainerConfigError"), 4), false, "the words of CreateContainerConfigError"},
		{"a program that has ended", []*corev1.Pod{in(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3}})}, true, ""},
		{"no shell", []*corev1.Pod{in(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "StartError", Message: "no /bin/sh"}})}, false, "no /bin/sh"},
		{"refused by the node", []*corev1.Pod{{Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "OutOfcpu", Message: "Node didn't have enough"}}}, false, "OutOfcpu"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			clock := time.Unix(0, 0)
			w := patience{limit: 20 * time.Second, now: func() time.Time { return clock }}
			var up bool
			var err error
			for _, p := range row.pods {
				if up, err = w.judge(p); up || err != nil {
					break
				}
				clock = clock.Add(10 * time.Second)
			}
			if up != row.up || (err == nil) != row.up || err != nil && !strings.Contains(err.Error(), row.words) {
				t.Errorf("up = %v, %v; want %v and %q", up, err, row.up, row.words)
			}
		})
	}
}

func repeat(p *corev1.Pod, n int) []*corev1.Pod {
	all := make([]*corev1.Pod, n)
	for i := range all {
		all[i] = p
	}
	return all
}
