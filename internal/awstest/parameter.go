// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"slices"
	"strings"
)

func stsActions() map[string]handler {
	return map[string]handler{
		"AssumeRole": assumeRole,
		"GetCallerIdentity": func(c *call, _ fields) (fields, error) {
			return fields{"Account": Account, "UserId": "AIDASERVEFORTESTS0001", "Arn": c.by}, nil
		},
	}
}

func ssmActions() map[string]handler {
	return map[string]handler{"GetParameter": getParameter, "GetParameters": getParameters}
}

// parameter gives what AWS publishes under a name, which is ids of images.
func (c *call) parameter(name string) fields {
	for _, i := range imagesOf(c.region.name) {
		if slices.Contains(strings.Fields(i.parameters), name) {
			return fields{
				"Name": name, "Type": "String", "Value": i.id, "Version": 1, "DataType": "text", "LastModifiedDate": i.made,
				"ARN": "arn:aws:ssm:" + c.region.name + "::parameter" + name,
			}
		}
	}
	return nil
}

func getParameter(c *call, in fields) (fields, error) {
	p := c.parameter(in.Text("Name"))
	if p == nil {
		return nil, refusal(400, "ParameterNotFound", "Parameter %s not found.", in.Text("Name"))
	}
	return fields{"Parameter": p}, nil
}

func getParameters(c *call, in fields) (fields, error) {
	found, missing := []fields{}, []string{}
	for _, name := range in.Texts("Names") {
		if p := c.parameter(name); p != nil {
			found = append(found, p)
		} else {
			missing = append(missing, name)
		}
	}
	return fields{"Parameters": found, "InvalidParameters": missing}, nil
}
