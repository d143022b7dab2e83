// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// finalizer keeps a service's object until nothing of the service is left.
	finalizer = group + "/controller"
	// annotationTerminate and a replica's id ask for the end of the replica. The
	// value is empty, or purge to remove the record of a failed one.
	annotationTerminate = "terminate." + group + "/"
	purgeValue          = "purge"
	// annotationApplied is a random mark of the client that has changed the spec
	// last, by which it knows its change again when the answer was lost.
	annotationApplied = group + "/applied"
	// maxName is the longest name of a service: names of its pods, Secrets and
	// Services are made from it, and must have at most 63 characters.
	maxName = 50
)

// ServeService is our custom resource: what is asked of a service, and what has
// become of it.
type ServeService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              ServeServiceSpec   `json:"spec,omitzero"`
	Status            ServeServiceStatus `json:"status,omitzero"`
}

// ServeServiceSpec is what is asked for.
type ServeServiceSpec struct {
	// Service is a serve.Spec without what is secret; empty before anything is
	// asked for.
	Service json.RawMessage `json:"service,omitempty"`
	// SecretName names the Secret that has what is secret.
	SecretName string `json:"secretName,omitempty"`
	// Attempt is changed to have the same service judged again.
	Attempt  int64    `json:"attempt,omitempty"`
	Endpoint Endpoint `json:"endpoint,omitzero"`
}

// Endpoint says how a service is made reachable.
type Endpoint struct {
	// Type is that of the Service object, "ClusterIP" if it is empty, and
	// Annotations are the object's.
	Type        string            `json:"type,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// ServeServiceStatus is what became of it.
type ServeServiceStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	ObservedSpec       string             `json:"observedSpec,omitempty"`
	Refused            string             `json:"refused,omitempty"`
	Errors             serve.FieldErrors  `json:"errors,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	Port               int                `json:"port,omitempty"`
	Endpoint           string             `json:"endpoint,omitempty"`
	Service            *serve.Service     `json:"service,omitempty"`

	// What follows is said in Service as well, for the columns of kubectl get.
	Version  int64  `json:"version,omitempty"`
	Status   string `json:"status,omitempty"`
	Replicas string `json:"replicas,omitempty"`
	Spot     *int   `json:"spot,omitempty"`
	OnDemand *int   `json:"onDemand,omitempty"`
}

// CheckName says whether a service may have the name on Kubernetes, where objects
// are named after it: [serve.ErrInvalid] when not.
func CheckName(name string) error {
	if len(name) > maxName || !regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`).MatchString(name) {
		return fmt.Errorf("a service on Kubernetes cannot have the name %q: it must begin with a lower-case letter, end with one or a digit, "+
			"have nothing but these and \"-\" between, and be of at most %d characters: %w", name, maxName, serve.ErrInvalid)
	}
	return nil
}

// read gives the object in Go's types.
func read(object *unstructured.Unstructured) (*ServeService, error) {
	s := &ServeService{}
	data, err := object.MarshalJSON()
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return nil, fmt.Errorf("reading ServeService %q: %w", object.GetName(), err)
	}
	return s, nil
}

// unstructured gives the object as it is sent.
func (s *ServeService) unstructured() (*unstructured.Unstructured, error) {
	s.APIVersion, s.Kind = group+"/"+version, kind
	data, err := json.Marshal(s)
	object := &unstructured.Unstructured{}
	if err == nil {
		err = object.UnmarshalJSON(data)
	}
	if err != nil {
		return nil, fmt.Errorf("writing ServeService %q: %w", s.Name, err)
	}
	return object, nil
}

// taken is the generation that is in force, 0 if there is none. One whose endpoint
// alone is another has been taken in with the one before.
func (s *ServeService) taken() int64 {
	switch {
	case s.Status.Refused != "" || s.Status.Service == nil:
		return 0
	case s.Status.ObservedSpec == s.digest():
		return s.Generation
	}
	return s.Status.ObservedGeneration
}

// digest tells what is asked for from what else may be.
func (s *ServeService) digest() string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n%s\n%d", s.Spec.Service, s.Spec.SecretName, s.Spec.Attempt)
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// ends lists the replicas whose end is asked for; true is for those to be purged.
func (s *ServeService) ends() map[int64]bool {
	var asked map[int64]bool
	for key, value := range s.Annotations {
		number, ours := strings.CutPrefix(key, annotationTerminate)
		id, err := strconv.ParseInt(number, 10, 64)
		if !ours || err != nil {
			continue
		}
		if asked == nil {
			asked = map[int64]bool{}
		}
		asked[id] = value == purgeValue
	}
	return asked
}

// terminateKey is the annotation that asks for the end of a replica.
func terminateKey(id int64) string { return annotationTerminate + strconv.FormatInt(id, 10) }
