// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
)

// cloudsAttribute is what the controller shows clouds. It is no part of controller,
// which has defaults: what is computed cannot have parts that are never kept.
func cloudsAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:   true,
		Sensitive:  true,
		WriteOnly:  true,
		Attributes: cloudsAttributes(),
		MarkdownDescription: "What the controller shows clouds that do not know the place it runs at, so that a service can have replicas in several of them. " +
			"It is given to the controller once, which keeps it, and is never shown and never in plan or state (write-only, needs Terraform 1.11 or newer). " +
			"It is sent when the service is created, and afterwards only when `cloud_credentials_wo_version` changes. " +
			"Defaults to what there is where the controller runs: the credentials of whoever applies with a `local` controller, and elsewhere those of the machine or pod, which its own cloud knows.",
	}
}

func cloudsAttributes() map[string]schema.Attribute {
	secret := func(text string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, Sensitive: true, WriteOnly: true, MarkdownDescription: text}
	}
	cloud := func(attributes map[string]schema.Attribute, text string) schema.SingleNestedAttribute {
		return schema.SingleNestedAttribute{Optional: true, Sensitive: true, WriteOnly: true, Attributes: attributes, MarkdownDescription: text}
	}
	return map[string]schema.Attribute{
		awsInfra: cloud(map[string]schema.Attribute{
			"access_key": secret("Id of an access key that does not expire, as `aws_iam_access_key` has it. Required."),
			"secret_key": secret("The secret of the access key. Required."),
			"role_arn":   secret("ARN of a role that is taken on with it. Defaults to none."),
		}, "For AWS: an access key of a user who may do what the guide on AWS lists."),
		gcpInfra: cloud(map[string]schema.Attribute{
			"credentials": secret("Key of a service account, or configuration of a workload identity pool, in JSON. With the latter a controller on AWS shows Google Cloud its role, and there is no secret at all. Required."),
		}, "For Google Cloud: a service account that may do what the guide on Google Cloud lists."),
		kubernetesInfra: cloud(map[string]schema.Attribute{
			"kubeconfig": secret("Content of a kubeconfig file that needs no other files and no programs. Required."),
			"context":    secret("Name of the context in it. Defaults to the current one."),
		}, "For a cluster: who may have pods in a namespace."),
	}
}
