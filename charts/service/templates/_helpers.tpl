{{- define "service.name" -}}
{{- .Values.name | default .Chart.Name -}}
{{- end -}}

{{- define "service.selector" -}}
app.kubernetes.io/name: {{ include "service.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "service.labels" -}}
{{ include "service.selector" . }}
app.kubernetes.io/part-of: todo-chatbot
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* An image that is written out whole must say which. */ -}}
{{- define "service.pinned" -}}
{{- if or (hasSuffix ":latest" .image) (not (regexMatch "[:@][^/]+$" .image)) -}}
{{- fail (printf "%s: %s says nothing of what runs; name a version or a digest" .name .image) -}}
{{- end -}}
{{- .image -}}
{{- end -}}

{{- /* The image: the service's own word before that of all. A digest decides, where there is one. */ -}}
{{- define "service.image" -}}
{{- $own := .Values.image | default dict -}}
{{- $all := .Values.global.image -}}
{{- $repository := $own.repository | default $all.repository -}}
{{- $tag := $own.tag | default $all.tag | default .Chart.AppVersion | toString -}}
{{- $digest := $own.digest | default $all.digest -}}
{{- if eq $tag "latest" -}}
{{- fail "image.tag: `latest` says nothing of what runs; name a version or a digest" -}}
{{- end -}}
{{- if $digest -}}
{{- printf "%s:%s@%s" $repository $tag $digest -}}
{{- else -}}
{{- printf "%s:%s" $repository $tag -}}
{{- end -}}
{{- end -}}

{{- define "service.rulesConfigMap" -}}
{{- $all := .Values.global.rules -}}
{{- $made := ternary (printf "%s-rules" .Release.Name) "" (default false $all.create) -}}
{{- .Values.rules.existingConfigMap | default $all.existingConfigMap | default $made -}}
{{- end -}}

{{- /* Settings that are no secret, as they go into the ConfigMap. */ -}}
{{- define "service.settings" -}}
{{- $settings := dict "DRAIN_MS" (.Values.shutdown.drainMs | int64 | toString) "STATE_DIR" "/var/lib/todo-chatbot" -}}
{{- if include "service.rulesConfigMap" . -}}
{{- $_ := set $settings "RULES_DIR" "/etc/todo-chatbot/rules" -}}
{{- end -}}
{{- if .Values.rules.shadowConfigMap -}}
{{- $_ := set $settings "RULES_SHADOW_DIR" "/etc/todo-chatbot/rules-shadow" -}}
{{- end -}}
{{- $given := mergeOverwrite (dict) (deepCopy .Values.global.env) (deepCopy .Values.env) -}}
{{- range $name, $value := $given -}}
{{- if hasKey $settings $name -}}
{{- fail (printf "env.%s: the chart sets it itself" $name) -}}
{{- end -}}
{{- /* Helm has numbers as floating point: ten million would be 1e+07. */ -}}
{{- if and (kindIs "float64" $value) (eq $value (floor $value)) -}}
{{- $value = int64 $value -}}
{{- end -}}
{{- $_ := set $settings $name ($value | toString) -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}

{{- /* The environment from Secrets that exist. */ -}}
{{- define "service.secretEnv" -}}
{{- $refs := mergeOverwrite (dict) (deepCopy .Values.global.secretEnv) (deepCopy (.Values.secretEnv | default dict)) -}}
{{- if .Values.global.dapr.apiTokenSecret -}}
{{- $_ := set $refs "DAPR_API_TOKEN" (dict "name" .Values.global.dapr.apiTokenSecret "key" "token") -}}
{{- end -}}
{{- if .Values.global.dapr.appTokenSecret -}}
{{- $_ := set $refs "APP_API_TOKEN" (dict "name" .Values.global.dapr.appTokenSecret "key" "token") -}}
{{- end -}}
{{- range $name, $ref := $refs }}
{{- if $ref.name }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $ref.name }}
      key: {{ $ref.key | default $name }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "service.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "service.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "service.daprAnnotations" -}}
{{- if .Values.dapr.enabled }}
dapr.io/enabled: "true"
dapr.io/app-id: {{ .Values.dapr.appId | default (include "service.name" .) | quote }}
dapr.io/app-port: {{ .Values.innerPort | quote }}
dapr.io/app-protocol: http
dapr.io/config: {{ .Values.global.dapr.config | quote }}
{{- with .Values.global.dapr.apiTokenSecret }}
dapr.io/api-token-secret: {{ . | quote }}
{{- end }}
{{- with .Values.global.dapr.appTokenSecret }}
dapr.io/app-token-secret: {{ . | quote }}
{{- end }}
dapr.io/log-as-json: "true"
dapr.io/log-level: {{ .Values.dapr.logLevel | quote }}
dapr.io/max-body-size: 4Mi
dapr.io/read-buffer-size: 16Ki
dapr.io/disable-builtin-k8s-secret-store: "true"
dapr.io/block-shutdown-duration: {{ printf "%ds" (.Values.shutdown.daprBlockSeconds | int64) | quote }}
dapr.io/graceful-shutdown-seconds: {{ .Values.shutdown.daprGracefulSeconds | quote }}
dapr.io/sidecar-seccomp-profile-type: RuntimeDefault
{{- with .Values.dapr.image }}
dapr.io/sidecar-image: {{ include "service.pinned" (dict "name" "dapr.image" "image" .) | quote }}
{{- end }}
{{- with .Values.dapr.resources }}
dapr.io/sidecar-cpu-request: {{ .requests.cpu | quote }}
dapr.io/sidecar-cpu-limit: {{ .limits.cpu | quote }}
dapr.io/sidecar-memory-request: {{ .requests.memory | quote }}
dapr.io/sidecar-memory-limit: {{ .limits.memory | quote }}
{{- end }}
{{- if .Values.dapr.env }}
{{- $pairs := list }}
{{- range $name, $value := .Values.dapr.env }}
{{- if contains "," (toString $value) }}
{{- fail (printf "dapr.env.%s: a comma ends a value in this annotation" $name) }}
{{- end }}
{{- $pairs = append $pairs (printf "%s=%s" $name (toString $value)) }}
{{- end }}
dapr.io/env: {{ join "," $pairs | quote }}
{{- end }}
{{- with .Values.dapr.annotations }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* What no schema can say. */ -}}
{{- define "service.check" -}}
{{- $s := .Values.shutdown -}}
{{- if .Values.dapr.enabled -}}
{{- if ge (add $s.daprBlockSeconds $s.daprGracefulSeconds | int64) ($s.graceSeconds | int64) -}}
{{- fail (printf "shutdown: daprBlockSeconds and daprGracefulSeconds are %d s together and must be less than graceSeconds, %d" (add $s.daprBlockSeconds $s.daprGracefulSeconds) ($s.graceSeconds | int64)) -}}
{{- end -}}
{{- end -}}
{{- if ge ($s.drainMs | int64) (mul 1000 ($s.graceSeconds | int64)) -}}
{{- fail "shutdown: drainMs must be less than graceSeconds" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled .Values.ingress.enabled -}}
{{- fail "httpRoute and ingress: only one of them may be enabled" -}}
{{- end -}}
{{- if and (or .Values.httpRoute.enabled .Values.ingress.enabled) (not .Values.publicPaths) -}}
{{- fail "publicPaths: a route needs the paths that it passes on" -}}
{{- end -}}
{{- end -}}

{{- /* A rule of a NetworkPolicy: names are looked up in the cluster's DNS. */ -}}
{{- define "service.dnsEgress" -}}
{{- $dns := .Values.global.networkPolicy.dns -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ $dns.namespace }}
      podSelector:
        matchLabels:
          {{- toYaml $dns.podLabels | nindent 10 }}
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end -}}
