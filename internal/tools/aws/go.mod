module github.com/serve-infra/terraform-provider-serve/internal/tools/aws

go 1.26.0

require github.com/aws/aws-sdk-go v1.55.8
