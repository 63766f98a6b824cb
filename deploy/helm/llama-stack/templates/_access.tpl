{{- /* Who gets in, and what may be reached and sent: what values stand for in the environment, in files, in the run config. */}}

{{- /* The variables that other values than `env` set, as YAML. */}}
{{- define "llama-stack.ownVariables" -}}
{{- $variables := dict }}
{{- with .Values.auth }}
{{- if .jwksUrl }}
{{- $_ := set $variables "AUTH_JWKS_URL" .jwksUrl }}
{{- if or $.Values.caBundle.configMap $.Values.caBundle.secret }}
{{- $_ := set $variables "AUTH_CA_FILE" "/etc/ca-bundle/ca.crt" }}
{{- end }}
{{- end }}
{{- with .issuer }}{{ $_ := set $variables "AUTH_ISSUER" . }}{{ end }}
{{- with .audience }}{{ $_ := set $variables "AUTH_AUDIENCE" . }}{{ end }}
{{- if .tokens.secret }}{{ $_ := set $variables "AUTH_TOKENS_FILE" "/etc/llama-stack-secrets/auth-tokens" }}{{ end }}
{{- end }}
{{- $outgoing := list }}
{{- range $verb := list "allow" "refuse" }}
{{- with get $.Values.outgoing $verb }}{{ $outgoing = append $outgoing (printf "%s %s" $verb (join " " .)) }}{{ end }}
{{- end }}
{{- with $outgoing }}{{ $_ := set $variables "LLAMA_STACK_OUTGOING" (join "; " .) }}{{ end }}
{{- with .Values.limits.requestBytes }}{{ $_ := set $variables "MAX_REQUEST_BYTES" (int64 . | toString) }}{{ end }}
{{- with .Values.limits.fileBytes }}{{ $_ := set $variables "FILES_MAX_BYTES" (int64 . | toString) }}{{ end }}
{{- with .Values.limits.concurrentRequests }}{{ $_ := set $variables "MAX_CONCURRENT_REQUESTS" (int64 . | toString) }}{{ end }}
{{- with .Values.storedCompletions }}
{{- if kindIs "bool" .byDefault }}{{ $_ := set $variables "STORE_CHAT_COMPLETIONS" (toString .byDefault) }}{{ end }}
{{- with .days }}{{ $_ := set $variables "STORED_COMPLETIONS_DAYS" (int64 . | toString) }}{{ end }}
{{- end }}
{{- $_ := set $variables "SHUTDOWN_GRACE_SECONDS" (int64 .Values.shutdownGraceSeconds | toString) }}
{{- range $name, $source := .Values.secretFiles }}
{{- if $source }}{{ $_ := set $variables (printf "%s_FILE" $name) (printf "/etc/llama-stack-secrets/%s" $name) }}{{ end }}
{{- end }}
{{- toYaml $variables }}
{{- end }}

{{- /* What is mounted at /etc/llama-stack-secrets, as the `sources` of a projected volume; empty where nothing is. */}}
{{- define "llama-stack.secretSources" -}}
{{- range $name, $source := .Values.secretFiles }}
{{- if $source }}
- secret:
    name: {{ $source.name }}
    items:
    - key: {{ $source.key }}
      path: {{ $name }}
{{- end }}
{{- end }}
{{- with .Values.auth.tokens }}
{{- if .secret }}
- secret:
    name: {{ .secret }}
    items:
    - key: {{ .key }}
      path: auth-tokens
{{- end }}
{{- end }}
{{- end }}

{{- /* The run config as a map with the routes switched off, in YAML. */}}
{{- define "llama-stack.runConfigWithPolicy" -}}
{{- $config := deepCopy .Values.runConfig }}
{{- with .Values.forbiddenRoutes }}
{{- $server := default dict $config.server }}
{{- $auth := default dict $server.auth }}
{{- $others := default (list (dict "permit" (dict "paths" (list "*")))) $auth.route_policy }}
{{- $policy := prepend $others (dict "forbid" (dict "paths" .)) }}
{{- $_ := set $config "server" (merge (dict "auth" (merge (dict "route_policy" $policy) $auth)) $server) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- /* What does not fit together, a line each. */}}
{{- define "llama-stack.accessProblems" -}}
{{- $own := fromYaml (include "llama-stack.ownVariables" .) }}
{{- range $name := keys $own | sortAlpha }}
{{- if and (hasKey $.Values.env $name) (not (kindIs "invalid" (get $.Values.env $name))) }}
env.{{ $name }}: another value sets this variable. Take one of the two away.
{{- end }}
{{- end }}
{{- range $name, $source := .Values.secretFiles }}
{{- if and $source (hasKey $.Values.env $name) (not (kindIs "invalid" (get $.Values.env $name))) }}
secretFiles.{{ $name }}: env.{{ $name }} is set too. Take one of the two away.
{{- end }}
{{- end }}
{{- with .Values.auth }}
{{- if and .jwksUrl .tokens.secret }}
auth: jwksUrl and tokens.secret are two ways to authenticate. Give one.
{{- end }}
{{- if and .jwksUrl (not .issuer) }}
auth.issuer is empty: tokens of anybody whose keys are at auth.jwksUrl would be taken. Name the issuer.
{{- end }}
{{- if and (or .issuer .audience) (not .jwksUrl) }}
auth.issuer, auth.audience: they are those of tokens whose keys are at auth.jwksUrl, which is empty.
{{- end }}
{{- if or .jwksUrl .tokens.secret }}
{{- $variable := ternary "AUTH_JWKS_URL" "AUTH_TOKENS_FILE" (not (empty .jwksUrl)) }}
{{- if and (not $.Values.existingConfigMap.name) (not (contains (printf "${env.%s" $variable) (include "llama-stack.runConfig" $))) }}
auth: runConfig does not read {{ $variable }}, so nobody would be asked for a token. Take `server.auth` of the default run config.
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.forbiddenRoutes }}
{{- if or .Values.existingConfigMap.name (kindIs "string" .Values.runConfig) }}
forbiddenRoutes: the chart can write them into a runConfig that is a map only. Write `server.auth.route_policy` into yours.
{{- end }}
{{- range .Values.forbiddenRoutes }}
{{- if or (eq . "/v1/health") (and (hasSuffix "*" .) (hasPrefix (trimSuffix "*" .) "/v1/health")) }}
forbiddenRoutes: {{ . }} has /v1/health in it, which the probes ask for.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
