// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	_ "embed"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
)

//go:embed crd.yaml
var crdFile []byte

// crdName is the name of our custom resource's definition.
const crdName = resource + "." + group

// crd gives the definition of our custom resource, as it is to be applied.
func crd() (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	data, err := yaml.ToJSON(crdFile)
	if err == nil {
		err = object.UnmarshalJSON(data)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the definition of %s: %w", crdName, err)
	}
	return object, nil
}

// services names the custom resource in requests.
func services() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: version, Resource: resource}
}

// definitions names the definitions of custom resources in requests.
func definitions() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}
