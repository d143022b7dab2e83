// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Publish implements [serve.Directory] by a Service object of the service's name,
// which sends requests on to all copies of the controller.
func (d *Directory) Publish(ctx context.Context, name, uid string, port int) error {
	object, err := d.ask(ctx, name, uid)
	if err == nil {
		err = d.expose(ctx, object, port)
	}
	if err == nil {
		err = d.writeStatus(ctx, name, uid, func(s *ServeServiceStatus) { s.Port = port })
	}
	if err != nil {
		return fmt.Errorf("publishing the endpoint of service %q: %w", name, err)
	}
	return nil
}

// expose brings the Service object of a service into the form that is asked for.
func (d *Directory) expose(ctx context.Context, object *unstructured.Unstructured, port int) error {
	s, err := read(object)
	if err != nil {
		return err
	}
	content, err := json.Marshal(endpointOf(s, port))
	if err != nil {
		return err
	}
	d.mu.Lock()
	done := d.applied[s.Name] == string(content)
	d.mu.Unlock()
	if done {
		return nil
	}
	existing, err := d.c.typed.CoreV1().Services(d.c.namespace).Get(ctx, s.Name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return meaning(err)
	}
	if err == nil && (existing.Labels[labelManager] != manager || existing.Labels[labelService] != s.Name) {
		return fmt.Errorf("%w: the namespace has a Service %q of somebody else's", serve.ErrConflict, s.Name)
	}
	force := true
	applied, err := d.c.typed.CoreV1().Services(d.c.namespace).Patch(ctx, s.Name, types.ApplyPatchType, content,
		metav1.PatchOptions{FieldManager: fieldManager, Force: &force})
	if err != nil {
		return meaning(err)
	}
	// The next report is not to wait for the object to be seen.
	urls, _, err := d.urlsOf(ctx, map[string]*corev1.Service{s.Name: applied})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.applied[s.Name], d.urls[s.Name] = string(content), urls[s.Name]
	return nil
}

// endpointOf gives the Service object of a service as it is applied.
func endpointOf(s *ServeService, port int) map[string]any {
	scheme, number := "http", 80
	if spec, err := s.asked(); err == nil && spec != nil && spec.TLS != nil {
		scheme, number = "https", 443
	}
	return map[string]any{
		"apiVersion": "v1",
		"kind":       "Service",
		"metadata": map[string]any{
			"name":        s.Name,
			"labels":      map[string]any{labelManager: manager, labelComponent: componentController, labelService: s.Name},
			"annotations": s.Spec.Endpoint.Annotations,
			"ownerReferences": []any{map[string]any{
				"apiVersion": group + "/" + version, "kind": kind, "name": s.Name, "uid": s.UID, "controller": true,
			}},
		},
		"spec": map[string]any{
			"type":     cmp.Or(s.Spec.Endpoint.Type, string(corev1.ServiceTypeClusterIP)),
			"selector": map[string]any{labelManager: manager, labelComponent: componentController},
			"ports":    []any{map[string]any{"name": scheme, "protocol": "TCP", "port": number, "targetPort": port}},
		},
	}
}

// urlsOf gives the URLs at which clients reach the endpoints, and whether all of
// them are known.
func (d *Directory) urlsOf(ctx context.Context, endpoints map[string]*corev1.Service) (urls map[string]string, known bool, err error) {
	urls, known = map[string]string{}, true
	node := "" // any will do, and all services can have the same
	for name, s := range endpoints {
		if len(s.Spec.Ports) == 0 {
			continue
		}
		host, port := s.Name+"."+s.Namespace+".svc", s.Spec.Ports[0].Port
		switch s.Spec.Type {
		case corev1.ServiceTypeLoadBalancer:
			host = ""
			for _, ingress := range s.Status.LoadBalancer.Ingress {
				host = cmp.Or(host, ingress.Hostname, ingress.IP)
			}
		case corev1.ServiceTypeNodePort:
			if node == "" {
				if node, err = d.nodeAddress(ctx); err != nil {
					return nil, false, err
				}
				known = known && node != ""
			}
			host, port = node, s.Spec.Ports[0].NodePort
		}
		if host != "" && port != 0 {
			urls[name] = urlAt(s.Spec.Ports[0].Name, host, int(port))
		}
	}
	return urls, known, nil
}

// urlAt writes a URL, which does not name the port that its scheme stands for.
func urlAt(scheme, host string, port int) string {
	if scheme == "http" && port == 80 || scheme == "https" && port == 443 {
		if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port))
}

// nodeAddress gives an address at which a node is reached from without, or if
// there is none, from within; empty when no node has any.
func (d *Directory) nodeAddress(ctx context.Context) (string, error) {
	nodes, err := d.c.typed.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err = meaning(err); err != nil && !errors.Is(err, serve.ErrUnauthorized) {
		return "", err
	}
	internal := ""
	if err == nil {
		for _, node := range nodes.Items {
			for _, a := range node.Status.Addresses {
				switch a.Type {
				case corev1.NodeExternalIP:
					return a.Address, nil
				case corev1.NodeInternalIP:
					internal = cmp.Or(internal, a.Address)
				}
			}
		}
	}
	return internal, nil
}
