// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/objectdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

const (
	// kubernetesInfra is the infra whose controllers are pods.
	kubernetesInfra = "kubernetes"
	// awsInfra is the infra whose controllers are on machines of AWS.
	awsInfra = "aws"
	// gcpInfra is the infra whose controllers are on machines of Google Cloud.
	gcpInfra = "gcp"
)

// maxCopies bounds the copies of a controller, all of which keep a connection to
// the one that leads.
const maxCopies = 10

func controllerAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		Computed:            true,
		Default:             objectdefault.StaticValue(controllerObject(localInfra, "")),
		Attributes:          controllerAttributes(),
		MarkdownDescription: "Where and how the service's controller runs. Services with controllers in one namespace of a cluster share the controller, and the image and number of copies applied last.",
	}
}

func controllerAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"infra": schema.StringAttribute{
			Optional:            true,
			Computed:            true,
			Default:             stringdefault.StaticString(localInfra),
			PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
			MarkdownDescription: describe("What the controller runs on: `local` is this machine, `kubernetes` a cluster, `aws` a machine of AWS and `gcp` one of Google Cloud, each in the region that the provider's `aws` or `gcp` names, which the service stays in. Changing it makes another service.", localInfra),
		},
		"namespace": schema.StringAttribute{
			Optional:      true,
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
			MarkdownDescription: "Namespace of the controller and its replicas, with infra `kubernetes`. It is made if it is not there, and removed with the last service if it was made so and nobody else uses it. " +
				"Defaults to that of the provider's `kubernetes` when the service is made, and stays that. Changing it makes another service.",
		},
		"image": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Image that the controller is run from, with infra `kubernetes`. Defaults to the one that was published with this version of the provider.",
		},
		"image_repository": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "Repository that the image bundled with this provider is brought into if it is not there, and run from, with infra `kubernetes`: for clusters that pull from a registry of one's own. " +
				"The credentials are those of `docker login`. It takes a provider that runs on Linux, on the architecture of the nodes.",
		},
		"copies": schema.Int64Attribute{
			Optional:            true,
			MarkdownDescription: "Number of copies of the controller, from 1 to 10, with infra `kubernetes`. One leads, and all of them take requests. Defaults to `2`.",
		},
		"service": schema.SingleNestedAttribute{
			Optional:            true,
			Attributes:          controllerServiceAttributes(),
			MarkdownDescription: "How the endpoint is made reachable, with infra `kubernetes`.",
		},
	}
}

func controllerServiceAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"type": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Type of the Service object: `ClusterIP` is for clients in the cluster, `NodePort` for those who reach its nodes, `LoadBalancer` for all. Defaults to `ClusterIP`.",
		},
		"annotations": schema.MapAttribute{
			Optional:            true,
			ElementType:         types.StringType,
			MarkdownDescription: "Annotations of the Service object, by which load balancers are told more. Defaults to none.",
		},
	}
}
