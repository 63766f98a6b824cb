{{- /* Short enough for the pods that verify, to whose label `-verify` is appended. */}}
{{- define "llama-stack.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 56 | trimSuffix "-" }}
{{- end }}

{{- /*
Short enough for what is appended to it: the longest suffix, of the ConfigMap, has 20 characters. A release's name may have
dots, a Service's may not.
*/}}
{{- define "llama-stack.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- $name = .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- $name = .Release.Name }}
{{- else }}
{{- $name = printf "%s-%s" .Release.Name $name }}
{{- end }}
{{- $name | replace "." "-" | trunc 43 | trimSuffix "-" }}
{{- end }}

{{- define "llama-stack.selectorLabels" -}}
app.kubernetes.io/name: {{ include "llama-stack.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* One map of several, as YAML: later ones win, a key whose value is `null` is left out, and so is a map that is `null`. */}}
{{- define "llama-stack.merged" -}}
{{- $merged := dict }}
{{- range $map := . }}
{{- range $key, $value := $map }}
{{- $_ := set $merged $key $value }}
{{- end }}
{{- end }}
{{- range $key, $value := $merged }}
{{- if kindIs "invalid" $value }}{{ $_ := unset $merged $key }}{{ end }}
{{- end }}
{{- toYaml $merged }}
{{- end }}

{{- /* Labels and annotations of an object: `root`, the chart's scope, and the `labels` and `annotations` of it alone. */}}
{{- define "llama-stack.metadata" -}}
{{- with .root }}
{{- $chart := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service }}
{{- $selector := fromYaml (include "llama-stack.selectorLabels" .) }}
labels:
  {{- include "llama-stack.merged" (list .Values.commonLabels $.labels $chart $selector) | nindent 2 }}
{{- if or .Values.commonAnnotations $.annotations }}
annotations:
  {{- include "llama-stack.merged" (list .Values.commonAnnotations $.annotations) | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "llama-stack.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "llama-stack.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "llama-stack.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /*
The service account of the Job that verifies; empty where the namespace's own has to do. An account that an upgrade is about
to make is not there when its hook runs. Where no cluster can be asked (`helm template`, Argo CD) it is: Argo CD makes it in
an earlier wave.
*/}}
{{- define "llama-stack.verifyServiceAccountName" -}}
{{- $name := include "llama-stack.serviceAccountName" . }}
{{- $cluster := lookup "v1" "ServiceAccount" .Release.Namespace "default" }}
{{- if or (not .Values.serviceAccount.create) (not $cluster) (lookup "v1" "ServiceAccount" .Release.Namespace $name) }}
{{- $name }}
{{- end }}
{{- end }}

{{- /* "true" on OpenShift. */}}
{{- define "llama-stack.openshift" -}}
{{- if eq (toString .Values.openshift) "auto" }}
{{- .Capabilities.APIVersions.Has "security.openshift.io/v1" }}
{{- else }}
{{- .Values.openshift }}
{{- end }}
{{- end }}
