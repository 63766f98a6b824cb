{{- /* Parts of the pods that serve and of those that verify. */}}

{{- /*
The metadata of a pod: `root`, the chart's scope, `name` and `component`, by which pods are told apart, and the `labels` and
`annotations` that only this kind of pod has.
*/}}
{{- define "llama-stack.podMetadata" -}}
{{- $own := dict
  "app.kubernetes.io/name" .name
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/component" .component }}
labels:
  {{- with .root.Values }}
  {{- include "llama-stack.merged" (list .commonLabels .podLabels $.labels $own) | nindent 2 }}
annotations:
  {{- include "llama-stack.merged" (list .commonAnnotations .podAnnotations $.annotations) | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* For requests in flight, and 15 for the sleep before SIGTERM, for saying what is cut, and for closing the stores. */}}
{{- define "llama-stack.shutdownSeconds" -}}
{{- add .Values.shutdownGraceSeconds 15 }}
{{- end }}

{{- define "llama-stack.terminationGracePeriodSeconds" -}}
{{- $given := .Values.terminationGracePeriodSeconds }}
{{- if kindIs "invalid" $given }}{{ include "llama-stack.shutdownSeconds" . }}{{ else }}{{ $given }}{{ end }}
{{- end }}

{{- define "llama-stack.podSecurityContext" -}}
{{- $context := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- if ne (include "llama-stack.openshift" .) "true" }}
{{- $context = merge $context (dict "runAsUser" 1001 "runAsGroup" 0 "fsGroup" 1001 "fsGroupChangePolicy" "OnRootMismatch") }}
{{- end }}
{{- include "llama-stack.merged" (list (mergeOverwrite $context (default dict .Values.podSecurityContext))) }}
{{- end }}

{{- define "llama-stack.securityContext" -}}
{{- $context := dict
  "allowPrivilegeEscalation" false
  "readOnlyRootFilesystem" true
  "runAsNonRoot" true
  "capabilities" (dict "drop" (list "ALL"))
  "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- include "llama-stack.merged" (list (mergeOverwrite $context (default dict .Values.securityContext))) }}
{{- end }}

{{- /* What every container of the image needs, but for its name and arguments. */}}
{{- define "llama-stack.container" -}}
image: {{ include "llama-stack.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
- name: RUN_CONFIG_PATH
  value: /etc/llama-stack/run.yaml
{{- if or .Values.caBundle.configMap .Values.caBundle.secret }}
{{- /* OpenSSL and with it httpx and aiohttp, requests, boto3, gRPC (Milvus), OpenTelemetry, libpq and asyncpg */}}
{{- range list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" "AWS_CA_BUNDLE" "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" "OTEL_EXPORTER_OTLP_CERTIFICATE" "PGSSLROOTCERT" }}
{{- if not (hasKey $.Values.env .) }}
- name: {{ . }}
  value: /etc/ca-bundle/ca.crt
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := fromYaml (include "llama-stack.ownVariables" .) }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name, $value := .Values.env }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ $name }}
  {{- if kindIs "map" $value }}
  valueFrom:
    {{- toYaml $value | nindent 4 }}
  {{- else }}
  value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- with .Values.existingSecret }}
envFrom:
- secretRef:
    name: {{ . }}
{{- end }}
volumeMounts:
- name: run-config
  mountPath: /etc/llama-stack
  readOnly: true
- name: data
  mountPath: /data
- name: tmp
  mountPath: /tmp
{{- if or .Values.caBundle.configMap .Values.caBundle.secret }}
- name: ca-bundle
  mountPath: /etc/ca-bundle
  readOnly: true
{{- end }}
{{- if .Values.tls.secret }}
- name: tls
  mountPath: /etc/llama-stack-tls
  readOnly: true
{{- end }}
{{- if include "llama-stack.secretSources" . }}
- name: secrets
  mountPath: /etc/llama-stack-secrets
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
securityContext:
  {{- include "llama-stack.securityContext" . | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
{{- end }}

{{- /* Writes one file of the public CAs and the private ones. */}}
{{- define "llama-stack.caBundleContainer" -}}
name: ca-bundle
image: {{ include "llama-stack.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command:
- sh
- -c
- cat "$(python -m certifi)" "/etc/private-ca/$KEY" > /etc/ca-bundle/ca.crt
env:
- name: KEY
  value: {{ .Values.caBundle.key | quote }}
volumeMounts:
- name: private-ca
  mountPath: /etc/private-ca
  readOnly: true
- name: ca-bundle
  mountPath: /etc/ca-bundle
securityContext:
  {{- include "llama-stack.securityContext" . | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
resources:
  {{- toYaml (default dict .Values.resources) | nindent 2 }}
{{- end }}

{{- define "llama-stack.verifyContainer" -}}
name: verify
{{ include "llama-stack.container" . }}
args:
- verify
{{- with .Values.verification.arguments }}
{{ toYaml . }}
{{- end }}
resources:
  {{- default (default dict .Values.resources) .Values.verification.resources | toYaml | nindent 2 }}
{{- end }}

{{- /* The init containers of a pod with their key, or nothing: `root`, and whether `verify` comes last. */}}
{{- define "llama-stack.initContainers" -}}
{{- $verify := .verify }}
{{- with .root }}
{{- $privateCA := or .Values.caBundle.configMap .Values.caBundle.secret }}
{{- if or $privateCA $verify .Values.extraInitContainers }}
initContainers:
{{- if $privateCA }}
- {{ include "llama-stack.caBundleContainer" . | nindent 2 | trim }}
{{- end }}
{{- with .Values.extraInitContainers }}
{{ toYaml . }}
{{- end }}
{{- if $verify }}
- {{ include "llama-stack.verifyContainer" . | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The volumes but for /data: those are `configMap`, the name of the one to mount, and `root`, the chart's scope. */}}
{{- define "llama-stack.volumes" -}}
- name: run-config
  configMap:
    name: {{ .configMap }}
    items:
    - key: {{ .key }}
      path: run.yaml
- name: tmp
  emptyDir: {}
{{- with .root.Values }}
{{- if or .caBundle.configMap .caBundle.secret }}
- name: private-ca
  {{- if .caBundle.configMap }}
  configMap:
    name: {{ .caBundle.configMap }}
  {{- else }}
  secret:
    secretName: {{ .caBundle.secret }}
  {{- end }}
- name: ca-bundle
  emptyDir: {}
{{- end }}
{{- if .tls.secret }}
- name: tls
  secret:
    secretName: {{ .tls.secret }}
{{- end }}
{{- end }}
{{- with include "llama-stack.secretSources" .root }}
- name: secrets
  projected:
    sources:
    {{- . | nindent 4 }}
{{- end }}
{{- end }}

{{- /* What decides where a pod runs and what pulls its image, but for what keeps pods together or apart. */}}
{{- define "llama-stack.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.extraPodSpec }}
{{ toYaml . }}
{{- end }}
{{- end }}
