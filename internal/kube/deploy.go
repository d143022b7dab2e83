// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	semver "k8s.io/apimachinery/pkg/util/version"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// endPause is how long what is being removed is left alone before it is tried
// again to make it anew.
const endPause = 500 * time.Millisecond

// Deploy implements [serve.Deployer]: it brings the definition of our custom
// resource, the namespace, the service's object and the controller up to date, and
// waits for the controller.
func (d *Deployer) Deploy(ctx context.Context, service string, opt serve.DeployOptions) (serve.Client, error) {
	client, err := d.deploy(ctx, service, opt)
	if err != nil {
		return nil, fmt.Errorf("deploying the controller of service %q: %w", service, err)
	}
	return client, nil
}

func (d *Deployer) deploy(ctx context.Context, service string, opt serve.DeployOptions) (serve.Client, error) {
	err := CheckName(service)
	if err == nil {
		err = checkEndpoint(opt.Endpoint)
	}
	if err != nil {
		return nil, err
	}
	copies, err := copiesOf(opt.Copies)
	if err != nil {
		return nil, err
	}
	c, err := connect(d.o.Config)
	if err != nil {
		return nil, err
	}
	image, err := d.o.Image(ctx, opt)
	if err != nil {
		return nil, err
	}
	version := d.o.Version
	if opt.Image != "" {
		version = "" // who knows
	}
	object, err := d.furnish(ctx, c, newPlan(c.namespace, version, image, copies), service, opt)
	if err != nil {
		return nil, err
	}
	if err := d.rollOut(ctx, c); err != nil {
		return nil, err
	}
	return d.client(c, object)
}

// errEnding tells that something is being removed that is needed, and can be made
// anew only when it is gone.
var errEnding = errors.New("something of an earlier deployment is being removed")

// furnish makes everything there is to make, as often as something of it is found
// to be ending.
func (d *Deployer) furnish(ctx context.Context, c *clients, p plan, service string, opt serve.DeployOptions) (*unstructured.Unstructured, error) {
	for {
		object, err := d.furnishOnce(ctx, c, p, service, opt)
		if !errors.Is(err, errEnding) {
			return object, err
		}
		select {
		case <-time.After(endPause):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// furnishOnce makes everything there is to make. Somebody who destroys the last
// service at the same moment removes what he finds unused. So the service is
// declared first, and then everything is marked once more: what was removed in
// between is made again, and what was looked at before is not removed, as it is
// not any more what it was then.
func (d *Deployer) furnishOnce(ctx context.Context, c *clients, p plan, service string, opt serve.DeployOptions) (*unstructured.Unstructured, error) {
	if err := d.define(ctx, c, p); err != nil {
		return nil, err
	}
	if err := c.makeNamespace(ctx, p); err != nil {
		return nil, err
	}
	object, err := c.declare(ctx, service, opt.Endpoint)
	if err != nil {
		return nil, ending(err)
	}
	if err := d.tell(ctx, c, object, opt.CloudCredentials); err != nil {
		return nil, ending(err)
	}
	if p, err = c.newest(ctx, p); err != nil {
		return nil, err
	}
	if err := d.install(ctx, c, p); err != nil {
		return nil, ending(err)
	}
	if err := d.define(ctx, c, p); err != nil {
		return nil, err
	}
	there, err := c.objects().Get(ctx, service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && there.GetUID() != object.GetUID() {
		return nil, errEnding
	}
	return there, meaning(err)
}

// ending turns a refusal because of something that is being removed into
// errEnding, and also that something is not there which was made a moment ago:
// the namespace, or the definition, whose objects the API server does not know
// then ("could not find the requested resource").
func ending(err error) error {
	if errors.Is(err, serve.ErrNotFound) {
		return fmt.Errorf("%w: %w", errEnding, err)
	}
	for _, words := range []string{"because it is being terminated", "is terminating", "object is being deleted"} {
		if err != nil && strings.Contains(err.Error(), words) {
			return fmt.Errorf("%w: %w", errEnding, err)
		}
	}
	return err
}

// define makes sure that the cluster knows our custom resource. Who may not change
// definitions can use one that is there, and one of a newer program stays.
func (d *Deployer) define(ctx context.Context, c *clients, p plan) error {
	definition, err := crd()
	if err != nil {
		return err
	}
	mark(definition, d.o.Version, p.Mark)
	known := c.dynamic.Resource(definitions())
	there, err := known.Get(ctx, crdName, metav1.GetOptions{})
	switch {
	case err == nil && there.GetDeletionTimestamp() != nil:
		return errEnding
	case err == nil && newer(there.GetLabels()[labelVersion], d.o.Version):
		there, err = known.Patch(ctx, crdName, types.MergePatchType, touching(p.Mark), metav1.PatchOptions{FieldManager: fieldManager})
	default:
		applied, applyErr := known.Apply(ctx, crdName, definition, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
		if applyErr == nil || err != nil || !apierrors.IsForbidden(applyErr) {
			there, err = applied, applyErr
		}
	}
	if err != nil {
		return ending(fmt.Errorf("defining the custom resource %s: %w", crdName, meaning(err)))
	}
	if established(there) {
		return nil
	}
	err = follow(ctx, known, nameIs(crdName), func(all map[string]*unstructured.Unstructured) bool {
		return all[crdName] != nil && !established(all[crdName])
	})
	if err != nil {
		return ending(fmt.Errorf("waiting for the custom resource %s to be known: %w", crdName, err))
	}
	return nil
}

// touching is a merge patch that marks an object as deployed just now.
func touching(mark string) []byte {
	return fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, annotationDeployed, mark)
}

// established reports whether the API server serves what is defined.
func established(definition *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(definition.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		condition, _ := c.(map[string]any)
		return condition["type"] == "Established" && condition["status"] == "True"
	})
}

// makeNamespace makes the namespace if it is not there, and marks it if we have
// made it. Who may not look at namespaces has one.
func (c *clients) makeNamespace(ctx context.Context, p plan) error {
	namespaces := c.typed.CoreV1().Namespaces()
	there, err := namespaces.Get(ctx, c.namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return nil
	case apierrors.IsNotFound(err):
		_, err = namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: c.namespace, Labels: map[string]string{labelManager: manager}, Annotations: map[string]string{annotationDeployed: p.Mark},
		}}, metav1.CreateOptions{FieldManager: fieldManager})
		if apierrors.IsAlreadyExists(err) {
			return errEnding // or just made by somebody; it is looked at again
		}
	case err == nil && there.DeletionTimestamp != nil:
		return errEnding
	case err == nil && there.Labels[labelManager] == manager:
		_, err = namespaces.Patch(ctx, c.namespace, types.MergePatchType, touching(p.Mark), metav1.PatchOptions{FieldManager: fieldManager})
	}
	if err != nil {
		return ending(fmt.Errorf("making the namespace %q: %w", c.namespace, meaning(err)))
	}
	return nil
}

// declare makes sure that the service has an object, and that its endpoint is as it
// is asked for. One that is being removed must be gone first. A new one is nobody's to
// let go until a controller has seen it: whoever takes the definition away at this
// moment would wait for that, and everybody for him.
func (c *clients) declare(ctx context.Context, service string, e serve.EndpointOptions) (*unstructured.Unstructured, error) {
	object, err := c.objects().Get(ctx, service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		s := &ServeService{ObjectMeta: metav1.ObjectMeta{Name: service, Namespace: c.namespace}}
		s.Spec.Endpoint = Endpoint{Type: e.Type, Annotations: e.Annotations}
		next, err := s.unstructured()
		if err != nil {
			return nil, err
		}
		object, err = c.objects().Create(ctx, next, metav1.CreateOptions{FieldManager: fieldManager})
		if apierrors.IsAlreadyExists(err) {
			return nil, errEnding
		}
		if err != nil {
			return nil, fmt.Errorf("making ServeService %q: %w", service, meaning(err))
		}
		return object, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking at ServeService %q: %w", service, meaning(err))
	}
	if object.GetDeletionTimestamp() != nil {
		return nil, fmt.Errorf("ServeService %q: %w", service, errEnding)
	}
	return c.reach(ctx, object, e)
}

// tell tells the controller of a service how other clouds are reached, and what they
// are shown. A controller that runs looks at that again when the service's object has
// other marks.
func (d *Deployer) tell(ctx context.Context, c *clients, object *unstructured.Unstructured, shown serve.CloudCredentials) error {
	marks, err := c.abroad(object.GetName()).Tell(ctx, string(object.GetUID()), d.o.Briefs, shown)
	has := object.GetAnnotations()
	if err != nil || marks == (Marks{has[annotationShown], has[annotationReached]}) {
		return err
	}
	return patch(ctx, c, object, map[string]any{
		"annotations": map[string]any{annotationShown: marks.Shown, annotationReached: marks.Reached},
	})
}

// reach changes how an endpoint is to be made reachable.
func (c *clients) reach(ctx context.Context, object *unstructured.Unstructured, e serve.EndpointOptions) (*unstructured.Unstructured, error) {
	s, err := read(object)
	if err != nil {
		return nil, err
	}
	asked := Endpoint{Type: e.Type, Annotations: e.Annotations}
	if asked.Type == "" {
		asked.Type = string(corev1.ServiceTypeClusterIP)
	}
	if s.Spec.Endpoint.Type == asked.Type && maps.Equal(s.Spec.Endpoint.Annotations, asked.Annotations) {
		return object, nil
	}
	annotations := map[string]any{}
	for key := range s.Spec.Endpoint.Annotations {
		annotations[key] = nil
	}
	for key, value := range asked.Annotations {
		annotations[key] = value
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": object.GetUID()},
		"spec":     map[string]any{"endpoint": map[string]any{"type": asked.Type, "annotations": annotations}},
	})
	if err != nil {
		return nil, err
	}
	object, err = c.objects().Patch(ctx, object.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return nil, fmt.Errorf("changing the endpoint of ServeService %q: %w", s.Name, meaning(err))
	}
	return object, nil
}

// checkEndpoint makes sure that there is such a type.
func checkEndpoint(e serve.EndpointOptions) error {
	types := []string{"", string(corev1.ServiceTypeClusterIP), string(corev1.ServiceTypeNodePort), string(corev1.ServiceTypeLoadBalancer)}
	if !slices.Contains(types, e.Type) {
		return fmt.Errorf("a Service has no type %q, but %s: %w", e.Type, strings.Join(types[1:], ", "), serve.ErrInvalid)
	}
	return nil
}

// newest gives the plan with the image of the controller that is there, if it is
// of a newer version: who has not upgraded yet must not take back what another has.
func (c *clients) newest(ctx context.Context, p plan) (plan, error) {
	there, err := c.typed.AppsV1().Deployments(c.namespace).Get(ctx, controllerName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return p, nil
	}
	if err != nil {
		return plan{}, fmt.Errorf("looking at the controller: %w", meaning(err))
	}
	if version := there.Labels[labelVersion]; newer(version, p.Version) {
		for _, container := range there.Spec.Template.Spec.Containers {
			p.Image, p.Version = Image{container.Image, there.Spec.Template.Spec.NodeSelector[corev1.LabelArchStable]}, version
		}
	}
	return p, nil
}

// newer reports whether one version comes after another. What is no version comes
// after none and before none.
func newer(one, other string) bool {
	a, errA := semver.ParseSemantic(one)
	b, errB := semver.ParseSemantic(other)
	return errA == nil && errB == nil && b.LessThan(a)
}
