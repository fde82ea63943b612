# 每个页面都有的文字。
house = 文渊
skip = 跳到正文
rooms = 栏目
room-search = 检索
room-libraries = 文库
room-ask = 提问
room-add = 添加
room-account = 我的账号
room-connect = 连接智能体
room-administration = 管理
menu = 菜单
sign-in = 登录
sign-out = 退出登录
guide = 指南
theme = 配色
theme-system = 跟随系统
theme-light = 浅色
theme-dark = 深色

# 多个页面共用的文字。
count-documents = { $count } 篇文档

# 页面背后出错时。
failed = 操作未成功。请刷新页面后重试；若仍然如此，请将此编号告知管理员：
unreached = 无法连接服务器。页面内容会保留，请稍后再试。
offline = 网络已断开，页面内容会保留。
online = 网络已恢复。

# 无法接受的表单。
form-foreign = 此表单不是由本服务器的页面提交的，或已过期。请返回、刷新页面后重试。

copy = 复制
copied = 已复制。
now = 刚刚
ago-years = { $count } 年前
ago-months = { $count } 个月前
ago-weeks = { $count } 周前
ago-days = { $count } 天前
ago-hours = { $count } 小时前
ago-minutes = { $count } 分钟前

type-markdown = Markdown
type-pdf = PDF
type-docx = Word
type-swagger = Swagger
type-openapi = OpenAPI
type-java_doc = JavaDoc
type-html = HTML
type-rst = reStructuredText
type-text = 纯文本

# 命令面板与快捷键。
palette = 前往
palette-placeholder = 文档、文库或页面
palette-recent = 最近阅读
palette-commands = 页面
palette-documents = 文档
palette-search = 检索“%1”
palette-search-here = 在此文库中检索“%1”
palette-ask = 提问“%1”
shortcuts = 键盘快捷键
shortcuts-search = 在此文库中检索
shortcuts-palette = 前往文档、文库或页面
shortcuts-help = 显示此列表
shortcuts-results = 在结果和全部文档中移动
shortcuts-tree = 展开和收起全部文档中的文件夹
shortcuts-close = 关闭
shortcuts-done = 关闭
