"""The members' pages."""

from django.urls import path

from subscriptions import views

urlpatterns = [
    path("", views.lists, name="lists"),
    path("lists/<slug:slug>/", views.subscribe, name="subscribe"),
    path("lists/<slug:slug>/sent/", views.requested, name="requested"),
    path("confirm/<str:token>/", views.confirm, name="confirm"),
    path("leave/<str:token>/", views.leave, name="leave"),
    path("leave/<str:token>/mistake/", views.undo_leave, name="undo_leave"),
    path("choose/<str:token>/", views.choose, name="choose"),
    path("resume/<str:token>/", views.resume, name="resume"),
]
