// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// given makes a service of what a person would write for spec.service.
func (p ground) given(name, service string) *ServeService {
	return &ServeService{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       ServeServiceSpec{Service: json.RawMessage(service)},
	}
}

// create sends a service to the API server, which may refuse it.
func (p ground) create(s *ServeService) (*ServeService, error) {
	p.Helper()
	object, err := s.unstructured()
	if err != nil {
		p.Fatal(err)
	}
	object, err = p.objects.Create(p.Context(), object, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		return nil, err
	}
	made, err := read(object)
	if err != nil {
		p.Fatal(err)
	}
	return made, nil
}

// spec gives what the API server has made of spec.service.
func (p ground) spec(s *ServeService) serve.Spec {
	p.Helper()
	spec, err := s.asked()
	if err != nil || spec == nil {
		p.Fatalf("reading spec.service: %v, %v", spec, err)
	}
	return *spec
}

// What the definition does not know the API server drops without a word.
func TestTheDefinitionHasEveryFieldOfASpec(t *testing.T) {
	t.Parallel()
	definition, err := crd()
	if err != nil {
		t.Fatal(err)
	}
	versions, _, err := unstructured.NestedSlice(definition.Object, "spec", "versions")
	if err != nil {
		t.Fatal(err)
	}
	schema, ok := versions[0].(map[string]any)
	if !ok {
		t.Fatalf("the version is %T", versions[0])
	}
	service, found, err := unstructured.NestedMap(schema, "schema", "openAPIV3Schema", "properties", "spec", "properties", "service")
	if err != nil || !found {
		t.Fatalf("there is no schema of spec.service: %v", err)
	}
	compare(t, "service", reflect.TypeFor[serve.Spec](), service)
}

// compare finds fields of a type that a schema does not have, and the other way
// round.
func compare(t *testing.T, at string, of reflect.Type, schema map[string]any) {
	t.Helper()
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case schema["x-kubernetes-preserve-unknown-fields"] == true:
		return
	case of.Kind() == reflect.Slice:
		items, _ := schema["items"].(map[string]any)
		compare(t, at+"[]", of.Elem(), items)
		return
	case of.Kind() != reflect.Struct:
		return
	}
	properties, _ := schema["properties"].(map[string]any)
	known := map[string]bool{}
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			continue
		}
		known[name] = true
		path := at + "." + name
		inner, ok := properties[name].(map[string]any)
		switch {
		case path == "service.tls.key": // it is in a Secret
		case !ok:
			t.Errorf("the definition does not know %s", path)
		default:
			compare(t, path, field.Type, inner)
		}
	}
	for name := range properties {
		if !known[name] {
			t.Errorf("a spec does not know %s.%s", at, name)
		}
	}
}

func TestWhatIsLeftOutIsFilledIn(t *testing.T) {
	p := newPlace(t)
	for name, service := range map[string]string{
		"nothing":        `{"run":"x","resources":{"ports":8080}}`,
		"empty-objects":  `{"run":"x","resources":{"ports":8080},"readiness_probe":{},"replica_policy":{},"load_balancer":{},"rollback":{}}`,
		"other-spelling": `{"run":"x","resources":{"ports":"8080"},"name":"other-spelling"}`,
	} {
		made, err := p.create(p.given(name, service))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := serve.NewSpec(name)
		want.Run, want.Resources.Ports = "x", "8080"
		if diff := cmp.Diff(want, p.spec(made)); diff != "" {
			t.Errorf("%s: the defaults are not those of serve.NewSpec (-want +got):\n%s", name, diff)
		}
		if made.Spec.Endpoint.Type != "ClusterIP" {
			t.Errorf("%s: the endpoint is %q", name, made.Spec.Endpoint.Type)
		}
	}
	made, err := p.create(p.given("least", `{"run":"x","resources":{"ports":1,"any_of":[{"cpus":4,"memory":16,"disk_size":"1TB"}]},"replica_policy":{"min_replicas":3}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := p.spec(made)
	if policy := got.ReplicaPolicy; policy.MaxReplicas != 3 {
		t.Errorf("max_replicas is %d where only min_replicas was given, 3", policy.MaxReplicas)
	}
	if want := []serve.Resource{{CPUs: "4", Memory: "16", DiskSize: "1TB"}}; !cmp.Equal(got.Resources.AnyOf, want) {
		t.Errorf("numbers became %+v", got.Resources.AnyOf)
	}
}

func TestValidSpecsAreTaken(t *testing.T) {
	p := newPlace(t)
	for name, change := range validSpecs() {
		t.Run(name, func(t *testing.T) {
			spec := plain()
			change(&spec)
			if es := spec.Validate(); es != nil {
				t.Fatalf("the spec is not valid: %v", es)
			}
			s := &ServeService{ObjectMeta: metav1.ObjectMeta{GenerateName: "valid-"}}
			if err := s.ask(spec); err != nil {
				t.Fatal(err)
			}
			made, err := p.create(s)
			if err != nil {
				t.Fatalf("creating %s: %v", s.Spec.Service, err)
			}
			spec.Name = made.Name
			want, got := spec.Redacted(), p.spec(made)
			if diff := cmp.Diff(text(t, want), text(t, got)); diff != "" {
				t.Errorf("the spec came back otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesAreRefused(t *testing.T) {
	p := newPlace(t)
	for name, m := range mistakes() {
		t.Run(name, func(t *testing.T) {
			fields := map[string]any{"run": "x", "resources": map[string]any{"ports": 8080}}
			var more map[string]any
			if err := json.Unmarshal([]byte(m.service), &more); err != nil {
				t.Fatal(err)
			}
			maps.Copy(fields, more)
			service := text(t, fields)
			made, err := p.create(p.given("mistake", service))
			if err == nil && !m.late {
				t.Errorf("%s was taken", service)
			}
			if err == nil {
				defer p.objects.Delete(t.Context(), made.Name, metav1.DeleteOptions{})
				spec, bad := made.asked()
				if bad == nil {
					bad = spec.Validate().Err()
				}
				err = bad
			} else if m.late {
				t.Errorf("the API server itself refuses this now; it is not late: %v", err)
			}
			if err == nil || !strings.Contains(err.Error(), m.says) {
				t.Errorf("%s gave %v, want an error that says %q", service, err, m.says)
			}
		})
	}
}

func TestNames(t *testing.T) {
	p := newPlace(t)
	for name, good := range map[string]bool{
		"a": true, "web-1": true, strings.Repeat("a", 50): true,
		"1web": false, "web.x": false, strings.Repeat("a", 51): false,
	} {
		_, err := p.create(p.given(name, `{"run":"x","resources":{"ports":1}}`))
		if (err == nil) != good {
			t.Errorf("an object named %q: %v", name, err)
		}
		if err := CheckName(name); (err == nil) != good {
			t.Errorf("CheckName(%q): %v", name, err)
		}
	}
	if _, err := p.create(p.given("one", `{"name":"other","run":"x","resources":{"ports":1}}`)); err == nil || !strings.Contains(err.Error(), "must be metadata.name") {
		t.Errorf("an object with two names: %v", err)
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
