"""The members' pages."""

from django.urls import path

from subscriptions import signup, views

urlpatterns = [
    path("", views.lists, name="lists"),
    path("lists/<slug:slug>/", signup.subscribe, name="subscribe"),
    path("lists/<slug:slug>/sent/", signup.requested, name="requested"),
    path("lists/<slug:slug>/embed/", signup.embed, name="embed"),
    path("lists/<slug:slug>/embed/sent/", signup.embed_requested, name="embed_requested"),
    path("lists/<slug:slug>/confirm/<str:token>/", views.confirm, name="confirm"),
    path("lists/<slug:slug>/leave/<str:token>/", views.leave, name="leave"),
    path("lists/<slug:slug>/leave/<str:token>/mistake/", views.undo_leave, name="undo_leave"),
    path("lists/<slug:slug>/choose/<str:token>/", views.choose, name="choose"),
    path("lists/<slug:slug>/settings/<str:token>/", views.manage, name="manage"),
]
