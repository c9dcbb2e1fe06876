{{- define "redis.selector" -}}
app.kubernetes.io/name: redis
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "redis.labels" -}}
{{ include "redis.selector" . }}
app.kubernetes.io/part-of: todo-chatbot-stores
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "redis.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion | toString -}}
{{- if eq $tag "latest" -}}
{{- fail "image.tag: `latest` says nothing of what runs; name a version or a digest" -}}
{{- end -}}
{{- .Values.image.repository }}:{{ $tag }}{{ with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- /* The pod of `helm test`: by another name, so that the Service leaves it alone. */ -}}
{{- define "redis.testSelector" -}}
app.kubernetes.io/name: redis-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "redis.podSecurity" -}}
runAsNonRoot: true
runAsUser: 999
runAsGroup: 999
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "redis.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* redis-cli reads it, and redis-server's arguments name it. */ -}}
{{- define "redis.password" -}}
- name: REDISCLI_AUTH
  valueFrom:
    secretKeyRef:
      name: {{ required "auth.secret: name the Secret with the password" .Values.auth.secret }}
      key: {{ .Values.auth.key }}
{{- end -}}
