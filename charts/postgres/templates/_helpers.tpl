{{- define "postgres.selector" -}}
app.kubernetes.io/name: postgres
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "postgres.labels" -}}
{{ include "postgres.selector" . }}
app.kubernetes.io/part-of: todo-chatbot-stores
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "postgres.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion | toString -}}
{{- if eq $tag "latest" -}}
{{- fail "image.tag: `latest` says nothing of what runs; name a version or a digest" -}}
{{- end -}}
{{- .Values.image.repository }}:{{ $tag }}{{ with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- /* The pod of `helm test`: by another name, so that the Service leaves it alone. */ -}}
{{- define "postgres.testSelector" -}}
app.kubernetes.io/name: postgres-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "postgres.podSecurity" -}}
runAsNonRoot: true
runAsUser: 999
runAsGroup: 999
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "postgres.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "postgres.password" -}}
name: {{ required "auth.secret: name the Secret with the password" .Values.auth.secret }}
key: {{ .Values.auth.key }}
{{- end -}}
