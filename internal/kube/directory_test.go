// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// see waits until the object of a service is as wanted.
func (p ground) see(name, what string, is func(*ServeService) bool) *ServeService {
	p.Helper()
	var s *ServeService
	err := follow(p.waiting(), p.objects, nameIs(name), func(all map[string]*unstructured.Unstructured) bool {
		s = nil
		if object := all[name]; object != nil {
			var err error
			if s, err = read(object); err != nil {
				p.Errorf("reading %q: %v", name, err)
			}
		}
		return !is(s)
	})
	if err != nil {
		p.Fatalf("waiting for %q to be %s: %v; it is %s", name, what, err, text(p.T, s))
	}
	return s
}

func ready(s *ServeService) bool {
	return s != nil && meta.IsStatusConditionTrue(s.Status.Conditions, conditionReady) && s.Status.Endpoint != ""
}

func TestAServiceWrittenByHand(t *testing.T) {
	p := newPlace(t)
	p.lead()
	if _, err := p.create(p.given("web", `{"run":"x","resources":{"ports":8080},"replica_policy":{"min_replicas":2}}`)); err != nil {
		t.Fatal(err)
	}
	s := p.see("web", "ready", ready)
	if want := "http://web." + p.config.Namespace + ".svc"; s.Status.Endpoint != want {
		t.Errorf("the endpoint is %q, want %q", s.Status.Endpoint, want)
	}
	if !meta.IsStatusConditionTrue(s.Status.Conditions, conditionAccepted) || s.Status.ObservedGeneration != s.Generation {
		t.Errorf("the status is %s", text(t, s.Status))
	}
	columns, row := p.table("web")
	want := map[string]any{"Name": "web", "Version": float64(1), "Status": "READY", "Replicas": "2/2", "Spot": float64(0), "On-Demand": float64(2), "Endpoint": s.Status.Endpoint}
	for name, value := range want {
		if row[name] != value {
			t.Errorf("kubectl get shows %v for %s, want %v", row[name], name, value)
		}
	}
	if got := strings.ToUpper(strings.Join(columns, " ")); got != "NAME VERSION STATUS REPLICAS SPOT ON-DEMAND ENDPOINT AGE" {
		t.Errorf("kubectl get has the columns %s", got)
	}
	service, err := p.typed.CoreV1().Services(p.config.Namespace).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || service.Spec.Ports[0].TargetPort.IntVal != 30001 || service.OwnerReferences[0].UID != s.UID {
		t.Errorf("the Service is %+v: %v", service, err)
	}

	if err := p.objects.Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	p.see("web", "gone", func(s *ServeService) bool { return s == nil })
}

// table asks for a service as kubectl get does.
func (p ground) table(name string) (columns []string, row map[string]any) {
	p.Helper()
	settings, _, err := p.config.rest()
	if err != nil {
		p.Fatal(err)
	}
	client, err := rest.HTTPClientFor(settings)
	if err != nil {
		p.Fatal(err)
	}
	url := settings.Host + "/apis/" + group + "/" + version + "/namespaces/" + p.config.Namespace + "/" + resource + "/" + name
	req, err := http.NewRequestWithContext(p.Context(), http.MethodGet, url, nil)
	if err != nil {
		p.Fatal(err)
	}
	req.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	resp, err := client.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	var table metav1.Table
	if err := json.NewDecoder(resp.Body).Decode(&table); err != nil || len(table.Rows) != 1 {
		p.Fatalf("reading the table: %v", err)
	}
	row = map[string]any{}
	for i, c := range table.ColumnDefinitions {
		columns = append(columns, c.Name)
		row[c.Name] = table.Rows[0].Cells[i]
	}
	return columns, row
}

func TestWhatOnlyGoCanSayIsReported(t *testing.T) {
	p := newPlace(t)
	p.lead()
	for name, m := range mistakes() {
		if !m.late {
			continue
		}
		t.Run(name, func(t *testing.T) {
			var fields map[string]any
			if err := json.Unmarshal([]byte(`{"run":"x","resources":{"ports":8080}}`), &fields); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(m.service), &fields); err != nil {
				t.Fatal(err)
			}
			s := p.given("", text(t, fields))
			s.GenerateName = "late-"
			s, err := p.create(s)
			if err != nil {
				t.Fatal(err)
			}
			s = p.see(s.Name, "refused", func(s *ServeService) bool { return s.Status.Refused != "" })
			accepted := meta.FindStatusCondition(s.Status.Conditions, conditionAccepted)
			if accepted == nil || accepted.Status != metav1.ConditionFalse || !strings.Contains(accepted.Message, m.says) {
				t.Errorf("the condition is %+v, want one that says %q", accepted, m.says)
			}
		})
	}
}

func TestSecretsOfAServiceWrittenByHand(t *testing.T) {
	p := newPlace(t)
	l := p.lead()
	s := p.given("web", `{"run":"x","resources":{"ports":8080},"secrets":{"A":"","B":""}}`)
	s.Spec.SecretName = "mine"
	_, err := p.typed.CoreV1().Secrets(p.config.Namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "mine"},
		Data:       map[string][]byte{"A": []byte("plain"), keySecrets: []byte(`{"B":"in JSON"}`)},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.create(s); err != nil {
		t.Fatal(err)
	}
	all := l.until("a declaration", func(all []serve.Declaration) bool { return len(all) == 1 })
	if spec := all[0].Spec; spec == nil || spec.Secrets["A"] != "plain" || spec.Secrets["B"] != "in JSON" {
		t.Errorf("the declaration is %+v", all[0])
	}
	shown := p.see("web", "ready", ready)
	if strings.Contains(text(t, shown), "plain") {
		t.Errorf("a secret is shown in %s", text(t, shown))
	}
	missing := p.given("forgetful", `{"run":"x","resources":{"ports":8080},"secrets":{"C":""}}`)
	missing.Spec.SecretName = "mine"
	if _, err := p.create(missing); err != nil {
		t.Fatal(err)
	}
	refused := p.see("forgetful", "refused", func(s *ServeService) bool { return s.Status.Refused != "" })
	if !strings.Contains(refused.Status.Refused, `secrets["C"]`) {
		t.Errorf("it is refused as %q", refused.Status.Refused)
	}
}

func TestEndpoints(t *testing.T) {
	p := newPlace(t)
	p.lead()
	s := p.given("web", `{"run":"x","resources":{"ports":8080}}`)
	s.Spec.Endpoint = Endpoint{Type: "LoadBalancer", Annotations: map[string]string{"example.com/internal": "true"}}
	if _, err := p.create(s); err != nil {
		t.Fatal(err)
	}
	s = p.see("web", "taken", func(s *ServeService) bool { return s.Status.Service != nil })
	if s.Status.Endpoint != "" {
		t.Errorf("the endpoint is %q before the load balancer has an address", s.Status.Endpoint)
	}
	services := p.typed.CoreV1().Services(p.config.Namespace)
	service, err := services.Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if service.Annotations["example.com/internal"] != "true" || service.Spec.Type != corev1.ServiceTypeLoadBalancer {
		t.Errorf("the Service is %+v", service)
	}
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "2001:db8::1"}}
	if _, err := services.UpdateStatus(t.Context(), service, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	s = p.see("web", "reachable", ready)
	if s.Status.Endpoint != "http://[2001:db8::1]" {
		t.Errorf("the endpoint is %q", s.Status.Endpoint)
	}
	// It follows what is asked for.
	p.setEndpoint("web", "NodePort")
	if p.hasNodes() {
		s = p.see("web", "at a node", func(s *ServeService) bool {
			return ready(s) && !strings.Contains(s.Status.Endpoint, "2001")
		})
		if service, err = services.Get(t.Context(), "web", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		if port := fmt.Sprint(":", service.Spec.Ports[0].NodePort); !strings.HasSuffix(s.Status.Endpoint, port) {
			t.Errorf("the endpoint is %q, want the port of a node, %s", s.Status.Endpoint, port)
		}
	}
	p.setEndpoint("web", "ClusterIP")
	p.see("web", "within the cluster", func(s *ServeService) bool { return strings.HasSuffix(s.Status.Endpoint, ".svc") })
}

// hasNodes reports whether the cluster has a node.
func (p ground) hasNodes() bool {
	p.Helper()
	nodes, err := p.typed.CoreV1().Nodes().List(p.Context(), metav1.ListOptions{Limit: 1})
	if err != nil {
		p.Fatal(err)
	}
	return len(nodes.Items) > 0
}

// setEndpoint asks for another type of endpoint.
func (p ground) setEndpoint(name, kind string) {
	p.Helper()
	patch := []byte(`{"spec":{"endpoint":{"type":"` + kind + `"}}}`)
	if _, err := p.objects.Patch(p.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		p.Fatal(err)
	}
}

func TestURLs(t *testing.T) {
	for want, got := range map[string]string{
		"http://a.b.svc":          urlAt("http", "a.b.svc", 80),
		"https://a.b.svc":         urlAt("https", "a.b.svc", 443),
		"https://10.0.0.1:30443":  urlAt("https", "10.0.0.1", 30443),
		"http://[2001:db8::1]":    urlAt("http", "2001:db8::1", 80),
		"http://[2001:db8::1]:81": urlAt("http", "2001:db8::1", 81),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestAForeignServiceObjectIsLeftAlone(t *testing.T) {
	p := newPlace(t)
	_, err := p.typed.CoreV1().Services(p.config.Namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.create(p.given("web", `{"run":"x","resources":{"ports":8080}}`))
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDirectory(p.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Publish(t.Context(), "web", string(s.UID), 30001); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("Publish: %v, want ErrConflict", err)
	}
	if err := d.Publish(t.Context(), "web", "another", 30001); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Publish for another: %v, want ErrNotFound", err)
	}
}

func TestAReportOfNothingNewIsNoRequest(t *testing.T) {
	p := newPlace(t)
	s, err := p.create(p.given("web", `{"run":"x","resources":{"ports":8080}}`))
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{}
	d, err := NewDirectory(p.relayed(r))
	if err != nil {
		t.Fatal(err)
	}
	report := func(message string) int64 {
		before := r.requests.Load()
		service := serve.Service{Name: "web", Status: serve.NoReplica, Message: message, UpdatedAt: time.Unix(1, 2)}
		if err := d.Report(t.Context(), "web", string(s.UID), serve.Report{Generation: 1, Service: &service}); err != nil {
			t.Fatal(err)
		}
		return r.requests.Load() - before
	}
	report("first")
	if n := report("first"); n != 0 {
		t.Errorf("reporting the same took %d requests", n)
	}
	if n := report("second"); n != 1 {
		t.Errorf("reporting something new took %d requests, want 1", n)
	}
	// Someone else's change in between is not lost, and the report is not either.
	if err := d.Done(t.Context(), "web", string(s.UID), 7); err != nil {
		t.Fatal(err)
	}
	object, err := p.objects.Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	object.SetLabels(map[string]string{"a": "b"})
	if _, err := p.objects.Update(t.Context(), object, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	report("third")
	s = p.see("web", "reported", func(s *ServeService) bool { return s.Status.Service.Message == "third" })
	if s.Labels["a"] != "b" {
		t.Errorf("the labels are %v", s.Labels)
	}
}

func TestRelease(t *testing.T) {
	p := newPlace(t)
	s, err := p.create(p.given("web", `{"run":"x","resources":{"ports":8080}}`))
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDirectory(p.config)
	if err != nil {
		t.Fatal(err)
	}
	store := p.store(p.config)
	state := servetest.Save(p, store, serve.State{}, 300)
	servetest.Save(p, store, state, 1)
	if err := d.Release(t.Context(), "web", string(s.UID)); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("Release of what is not deleted: %v, want ErrConflict", err)
	}
	object, err := p.objects.Get(t.Context(), "web", metav1.GetOptions{})
	if err == nil {
		err = d.guard(t.Context(), object)
	}
	if err == nil {
		err = p.objects.Delete(t.Context(), "web", metav1.DeleteOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Release(t.Context(), "web", string(s.UID)); err != nil {
			t.Fatalf("Release: %v", err)
		}
	}
	if _, err := p.objects.Get(t.Context(), "web", metav1.GetOptions{}); err == nil {
		t.Error("the object is there yet")
	}
	left, err := p.typed.CoreV1().Secrets(p.config.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: ofService("web")})
	if err != nil || len(left.Items) > 0 {
		t.Errorf("%d Secrets are left: %v", len(left.Items), err)
	}
	// The next service of the name is none of its business.
	servetest.Save(p, p.store(p.config), serve.State{}, 0)
	if err := d.Release(t.Context(), "web", string(s.UID)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.store(p.config).Load(t.Context()); err != nil {
		t.Errorf("the state of the next service: %v", err)
	}
}
